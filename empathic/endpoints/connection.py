"""A connection to a server: through the proxy that the environment names, but never to this machine itself."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from empathic.errors import UserError

if TYPE_CHECKING:
    import openai


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def proxy_variable(url: str) -> str | None:
    """The name of the environment variable whose proxy a URL is asked through; None where it is asked directly."""
    from urllib.request import proxy_bypass

    if is_loopback(url) or proxy_bypass(urlsplit(url).netloc):
        return None
    names = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    return next((name for of in names for name in (of, of.upper()) if os.environ.get(name)), None)


def connect(url: str, key: str, timeout: float) -> openai.AsyncOpenAI:
    """A client of one server, without retries of its own.

    Raises:
        UserError: a proxy that can't be used.
    """
    import openai

    return openai.AsyncOpenAI(
        base_url=url,
        api_key=key,
        max_retries=0,
        timeout=timeout,
        http_client=http(url, openai.DefaultAsyncHttpxClient),
    )


def connect_waiting(url: str, key: str, retries: int) -> openai.OpenAI:
    """A client for callers that wait for each answer, with retries of its own.

    Raises:
        UserError: a proxy that can't be used.
    """
    import openai

    return openai.OpenAI(
        base_url=url, api_key=key, max_retries=retries, http_client=http(url, openai.DefaultHttpxClient)
    )


def http(url: str, kind: Callable[..., Any]) -> Any:
    """A client of `kind`, which takes `trust_env`, for one server.

    Raises:
        UserError: a proxy that can't be used.
    """
    try:
        return kind(trust_env=not is_loopback(url))
    except ImportError as error:
        raise UserError(
            f"{url}: {_names('socks')} names a SOCKS proxy, which takes one package more: pip install 'empathic[socks]'"
        ) from error
    except ValueError as error:
        raise UserError(
            f"{url}: the proxy that {_names('')} names can't be used; want http://, https:// or socks5://"
        ) from error


def _names(scheme: str) -> str:
    """The variable that names a proxy of a scheme."""
    names = (name for of in ("all_proxy", "https_proxy", "http_proxy") for name in (of, of.upper()))
    return next(
        (name for name in names if os.environ.get(name, "").startswith(scheme or ("socks:", "ftp"))), "ALL_PROXY"
    )
