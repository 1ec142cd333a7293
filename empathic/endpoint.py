"""Everything that generates text is an endpoint: teachers, judges and students alike; `client.py` asks it.

`local:NAME` serves a GGUF file with llama.cpp on loopback for as long as it is needed; any other endpoint
is the base URL of a server that speaks the OpenAI chat API.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from empathic import files, models
from empathic.errors import UserError


@dataclass(frozen=True)
class Endpoint:
    """Servers that are up and answer alike, and the name that their answers are kept under in the ledger.

    `in_flight` is how many requests they have at a time, at most, and `timeout` how many seconds an answer may take;
    the caps of a minute are what the provider allows. `local` says that they are llama.cpp in this process,
    whose answers depend in their last digits on what is asked before and beside: keys and values that it kept, or
    computes for two requests at once, come out of batches of another size. So a local server has one at a time.
    """

    urls: tuple[str, ...]
    model: str
    identity: str
    key: str = "none"
    in_flight: int = 8
    local: bool = False
    timeout: float = 300.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@contextmanager
def open_endpoint(
    where: str,
    model: str | None = None,
    key_env: str | None = None,
    parallel: int = 1,
    say: Callable[[str], None] = print,
) -> Iterator[Endpoint]:
    """Reach an endpoint; a `local:` one runs inside this block.

    Args:
        where: `local:NAME`, `local:PATH.gguf`, or a base URL such as https://api.openai.com/v1.
        model: the model to ask for; needed by most remote servers.
        key_env: the environment variable that holds the key.
        parallel: requests in flight; for `local:` so many servers, each with its share of the cores.
        say: told of a model being fetched.

    Raises:
        UserError: an endpoint of neither form, a missing key, or a model that can't be loaded.
    """
    if where.startswith("local:"):
        with _serve(where.removeprefix("local:"), parallel, say) as endpoint:
            yield endpoint
        return
    if not where.startswith(("http://", "https://")):
        raise UserError(f"{where}: not an endpoint; want local:NAME, local:PATH.gguf, or an http(s) URL")
    key = os.environ.get(key_env, "") if key_env else "none"
    if not key:
        raise UserError(f"{where}: the key is missing; set the environment variable {key_env}")
    yield Endpoint((where,), model or "default", f"{where} {model or 'default'}", key, max(parallel, 8))


@contextmanager
def _serve(name: str, parallel: int, say: Callable[[str], None]) -> Iterator[Endpoint]:
    """Serve a GGUF file with llama.cpp on free loopback ports."""
    path = models.gguf(name, say)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = 1
    params.n_ctx = 4096
    params.verbosity = -1
    params.warmup = False
    threads = max(1, len(os.sched_getaffinity(0)) // parallel)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    try:
        servers = [xllamacpp.Server(params) for _ in range(parallel)]
    except RuntimeError as error:
        raise UserError(f"{path}: llama.cpp can't load it ({error}); is the file whole?") from error
    try:
        identity = models.KNOWN[name].sha256 if name in models.KNOWN else files.sha256(path)
        urls = tuple(f"{server.listening_address}/v1" for server in servers)
        yield Endpoint(urls, "local", f"gguf:{identity}", in_flight=len(urls), local=True)
    finally:
        del servers
