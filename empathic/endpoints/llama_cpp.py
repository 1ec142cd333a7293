"""Local models: a GGUF file served by llama.cpp, in this process and on loopback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from empathic import files, models
from empathic.endpoints.endpoint import Capabilities, Endpoint
from empathic.errors import UserError

# Log-probabilities vary slightly with the state of the KV cache and the batch size.
CAPABILITIES = Capabilities(
    grammar=True, free=True, serial=True, cached_replies=True, cached_scores=True, verbatim=True
)


CONTEXT = 4096  # tokens of a prompt and its reply


def load(path: Path, threads: int, **settings: Any) -> Any:
    """A server of llama.cpp's own, in this process and on a free loopback port, until it is let go.

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
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise UserError(f"{path}: llama.cpp can't load it ({error}); is the file whole?") from error


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
