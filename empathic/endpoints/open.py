"""Reach an endpoint: `local:NAME` is served here for as long as it is needed, a URL is used as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from empathic.endpoints import llama_cpp
from empathic.endpoints.endpoint import Endpoint
from empathic.errors import UserError


@contextmanager
def open_endpoint(
    where: str,
    model: str | None = None,
    key_env: str | None = None,
    parallel: int = 1,
    log: Callable[[str], None] = print,
) -> Iterator[Endpoint]:
    """Reach an endpoint; a `local:` one runs inside this block.

    Args:
        where: `local:NAME`, `local:PATH.gguf`, or a base URL such as https://api.openai.com/v1.
        model: the model to ask for; needed by most remote servers.
        key_env: the environment variable that holds the key.
        parallel: requests in flight; for `local:` so many servers, each with its share of the cores.
        log: told of a model being fetched.

    Raises:
        UserError: an endpoint of neither form, a missing key, or a model that can't be loaded.
    """
    if where.startswith("local:"):
        with llama_cpp.serve(where.removeprefix("local:"), parallel, log) as endpoint:
            yield endpoint
        return
    if not where.startswith(("http://", "https://")):
        raise UserError(f"{where}: not an endpoint; want local:NAME, local:PATH.gguf, or an http(s) URL")
    key = os.environ.get(key_env, "") if key_env else "none"
    if not key:
        raise UserError(f"{where}: the key is missing; set the environment variable {key_env}")
    yield Endpoint((where,), model or "default", f"{where} {model or 'default'}", key, max(parallel, 8))
