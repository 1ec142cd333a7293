"""Reach an endpoint: `local:NAME` is served here for as long as it is needed, a URL is used as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from empathic.endpoints import llama_cpp
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.keys import read_key
from empathic.errors import UserError


def local_name(where: str) -> str | None:
    """The known model or file that a `local:` endpoint serves; None of a server's address."""
    return where.removeprefix("local:") if where.startswith("local:") else None


@contextmanager
def open_endpoint(
    where: str,
    model: str | None = None,
    key_env: str | None = None,
    parallel: int = 1,
    log: Callable[[str], None] = print,
    extra_body: Mapping[str, Any] | None = None,
) -> Iterator[Endpoint]:
    """Reach an endpoint; a `local:` one runs inside this block.

    Args:
        where: `local:NAME`, `local:PATH.gguf`, or a base URL such as https://api.openai.com/v1.
        model: the model to ask for; needed by most remote servers.
        key_env: the environment variable that holds the key.
        parallel: requests in flight; for `local:` so many servers, each with its share of the cores.
        log: told of a model being fetched, and of what a server turned out not to take.
        extra_body: what requests hold besides what they all do, such as {"reasoning_effort": "low"}.

    Raises:
        UserError: an endpoint of neither form, a missing key or one that can't be one, or a model that can't be loaded.
    """
    if (local := local_name(where)) is not None:
        with llama_cpp.serve(local, parallel, log) as endpoint:
            yield replace(endpoint, extra_body=extra_body or {})
        return
    if not where.startswith(("http://", "https://")):
        raise UserError(f"{where}: not an endpoint; want local:NAME, local:PATH.gguf, or an http(s) URL")
    _check(where)
    key = read_key(where, key_env) if key_env else "none"
    identity = f"{where} {model or 'default'}"
    endpoint = Endpoint((where,), model or "default", identity, key, max(parallel, 8), extra_body=extra_body or {})
    yield endpoint
    if told := endpoint.dialect.told():
        log(f"{where} {told}; it was asked so")


def _check(where: str) -> None:
    """Refuse an address that nothing can be at.

    Raises:
        UserError: its host is missing or garbled, or its port no number from 1 to 65535.
    """
    try:
        found = urlsplit(where)
        host, port = found.hostname, found.port
    except ValueError as error:
        raise UserError(f"{where}: not an address ({error})") from error
    if not host or port == 0 or re.search(r"\s", where):
        raise UserError(f"{where}: not an address; want a host and, where it needs one, a port: http://HOST:PORT/v1")
