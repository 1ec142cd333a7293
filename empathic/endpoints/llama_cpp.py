"""Local models: a GGUF file served by llama.cpp, in this process and on loopback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from empathic import files, models
from empathic.endpoints.endpoint import Capabilities, Endpoint
from empathic.errors import UserError

# Log-probabilities vary slightly with the state of the KV cache and the batch size.
CAPABILITIES = Capabilities(
    grammar=True, free=True, serial=True, cached_replies=True, cached_scores=True, verbatim=True
)


@contextmanager
def serve(name: str, parallel: int, log: Callable[[str], None]) -> Iterator[Endpoint]:
    """Serve a GGUF file with llama.cpp on free loopback ports."""
    path = models.gguf(name, log)
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
        yield Endpoint(urls, "local", f"gguf:{identity}", max_connections=len(urls), capabilities=CAPABILITIES)
    finally:
        del servers
