"""vLLM's own server of the chat API, run here for a folder of Hugging Face's: many replies at a time."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from empathic import files
from empathic.endpoints.endpoint import Capabilities, Endpoint
from empathic.endpoints.tethered import tethered
from empathic.errors import UserError

AT_ONCE = 256  # requests that it has at a time; those that its memory has no room for wait in it
_TIMEOUT = 3600.0  # seconds for an answer, since what waits in it counts
_UP = 1800.0  # seconds until it is up: weights from a slow disk, and kernels that are compiled
_TOLD = 30.0  # seconds between two words of how far it is
_LOOK = 0.5
_SHOWN = 300  # characters of what it says
_LOGGED = re.compile(r"^(?:\([\w -]+ pid=\d+\) ?)?(?:[A-Z]+ [\d-]+ [\d:]+ \[[\w.]+:\d+\] ?)?")
_WENT_WRONG = re.compile(r"(?:[\w.]*(?:Error|Exception)|[\w. -]*\berror): \S")


class Failed(UserError):
    """vLLM didn't come up, or ended before its time; in its own words."""


def command() -> list[str] | None:
    """What starts vLLM: this interpreter's own, else the `vllm` on the PATH, whose environment may be another.

    None where there is neither.
    """
    found = importlib.util.find_spec("vllm")
    if found and found.origin:  # a mere folder of that name has none
        return [sys.executable, "-m", "vllm.entrypoints.cli.main"]
    return [there] if (there := shutil.which("vllm")) else None


@contextmanager
def serve(
    folder: Path, dtype: str, options: Sequence[str], extra_body: Mapping[str, Any], log: Callable[[str], None]
) -> Iterator[Endpoint]:
    """Serve a model on a free loopback port; the server never outlives the block, or us.

    What it says goes into a file beside the folder, `NAME.log`.

    Args:
        folder: a whole model with its tokenizer and chat template.
        dtype: the type of its weights in memory, which its answers depend on.
        options: further ones of `vllm serve`.
        extra_body: what requests hold besides what they all do.
        log: told how far it is.

    Raises:
        Failed: it isn't here, doesn't come up, or ends before its time.
    """
    start = command()
    if start is None:
        raise Failed("vLLM isn't here; pip install vllm, or put the `vllm` of another environment on the PATH")
    port, name, said = _free_port(), f"model-{secrets.token_hex(4)}", folder.with_name(f"{folder.name}.log")
    told = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", name, "--dtype", dtype]
    # Messages reach the template as text, as in training, and sampling is what a request says alone.
    told += ["--chat-template-content-format", "string", "--generation-config", "vllm", "--disable-uvicorn-access-log"]
    env = {**os.environ, "VLLM_NO_USAGE_STATS": "1"}  # it would report to its makers
    identity = f"{dtype} vllm:{files.sha256(folder)}"
    log(f"vLLM loads the model in {dtype}")
    with tethered([*start, "serve", str(folder), *told, *options], said, env) as program:
        _wait(program, port, name, said, log)
        url, can = f"http://127.0.0.1:{port}/v1", Capabilities(free=True)
        try:
            yield Endpoint(
                (url,), name, identity, max_connections=AT_ONCE, capabilities=can, timeout=_TIMEOUT,
                extra_body=extra_body,
            )  # fmt: skip
        except UserError as error:
            if program.poll() is None:
                raise
            raise Failed(f"vLLM ended while it was asked: {_cause(said)} (all of it: {said})") from error


def _wait(program: subprocess.Popen[bytes], port: int, name: str, said: Path, log: Callable[[str], None]) -> None:
    """Until it is up.

    Raises:
        Failed: it ends, or takes too long.
    """
    started = told = time.monotonic()
    while not _serves(port, name):
        now = time.monotonic()
        if program.poll() is not None:
            raise Failed(f"vLLM ended before it was up: {_cause(said)} (all of it: {said})")
        if now - started > _UP:
            last = _lines(said)[-1]
            raise Failed(f"vLLM isn't up after {_UP / 60:.0f} min; it last said: {last} (all of it: {said})")
        if now - told > _TOLD:
            last = _lines(said)[-1].partition("[")[0].strip()  # in brackets stand places in code and bars' rates
            log(f"vLLM loads, {now - started:.0f} s: {last[:100]}")
            told = now
        time.sleep(_LOOK)
    log(f"vLLM is up after {time.monotonic() - started:.0f} s")


def _serves(port: int, name: str) -> bool:
    """Whether our server answers there; another that took the port meanwhile has no model of that name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v1/models")
        reply = connection.getresponse()
        return reply.status == http.HTTPStatus.OK and name in json.dumps(json.loads(reply.read()))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _cause(said: Path) -> str:
    """What went wrong: the first error that it names, which later ones follow from; else its last words."""
    lines = _lines(said)
    return next((line for line in lines if _WENT_WRONG.match(line)), lines[-1])[:_SHOWN]


def _lines(said: Path) -> list[str]:
    """Its words without what logging puts before them."""
    text = said.read_text(encoding="utf-8", errors="replace")
    found = (" ".join(_LOGGED.sub("", line).split()) for line in re.split(r"[\r\n]+", text))
    return [line for line in found if line] or ["nothing"]


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
