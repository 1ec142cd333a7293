"""Local models: a GGUF file served by llama.cpp, in this process and on loopback."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from empathic import files, models
from empathic.endpoints.endpoint import Capabilities, Endpoint
from empathic.errors import UserError

# Log-probabilities vary slightly with the state of the KV cache and the batch size.
CAPABILITIES = Capabilities(
    grammar=True, free=True, serial=True, cached_replies=True, cached_scores=True, verbatim=True
)


CONTEXT = 4096  # tokens of a prompt and its reply
_UP = 30.0  # seconds that a server which was loaded may take until it takes a task


def load(path: Path, threads: int, **settings: Any) -> Any:
    """A server of llama.cpp's own, in this process and on a free loopback port, until it is let go.

    One that is let go before it takes its first task waits for itself without end, so that a Ctrl-C is held until then.

    Args:
        path: the GGUF file.
        threads: how many it computes on.
        settings: other fields of its `CommonParams`.

    Raises:
        UserError: it can't read the file.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.verbosity = -1
    params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    for name, value in settings.items():
        setattr(params, name, value)
    with _interrupts_held():
        try:
            server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise UserError(f"{path}: llama.cpp can't load it ({error}); is the file whole?") from error
        _first_task(server.listening_address, [*params.api_keys])
    return server


def _first_task(address: str, keys: list[str]) -> None:
    """Ask for something that stands in line with the prompts, and touches none of them."""
    key = {"Authorization": f"Bearer {keys[0]}"} if keys else {}
    end = time.monotonic() + _UP
    while time.monotonic() < end:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=_UP)
        try:
            connection.request("GET", "/slots", headers=key)
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):  # it doesn't listen yet
            pass
        finally:
            connection.close()
        time.sleep(0.02)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C comes when the block is done; in other threads than the main one none ever comes."""
    other = threading.current_thread() is not threading.main_thread()
    if other or signal.getsignal(signal.SIGINT) is None:  # None: a handler that Python didn't set, and can't put back
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def serve(name: str, parallel: int, log: Callable[[str], None]) -> Iterator[Endpoint]:
    """Serve a GGUF file with llama.cpp on free loopback ports."""
    path = models.gguf(name, log)
    threads = max(1, len(os.sched_getaffinity(0)) // parallel)
    servers = [load(path, threads, n_parallel=1, n_ctx=CONTEXT) for _ in range(parallel)]
    try:
        identity = models.KNOWN[name].sha256 if name in models.KNOWN else files.sha256(path)
        urls = tuple(f"{server.listening_address}/v1" for server in servers)
        yield Endpoint(urls, "local", f"gguf:{identity}", max_connections=len(urls), capabilities=CAPABILITIES)
    finally:
        del servers
