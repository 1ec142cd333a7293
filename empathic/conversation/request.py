"""Reading a request of HTTP: who is let in, what is there, how long a body may be."""

from __future__ import annotations

import hmac
import ipaddress
import time
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from email.message import Message
from io import BufferedIOBase
from urllib.parse import unquote_to_bytes, urlsplit

from empathic.conversation.wire import Refused

_MODEL = "/v1/models/"
_ROUTES = {"/v1/chat/completions": "POST", "/v1/models": "GET", f"{_MODEL}NAME": "GET", "/health": "GET", "/": "GET"}
_ALLOWED = {"GET": "GET, HEAD", "POST": "POST"}
_LONGEST_BODY = 1_000_000  # bytes
_NO_REQUEST = {  # a status of the standard library's, in our words
    414: "the address is too long",
    431: "a header is too long, or there are too many",
    505: "want HTTP/1.1",
}
_LONGEST_PASSED_OVER = 10_000_000  # bytes of a body that is refused
_PASSING, _RECEIVING = 10.0, 60.0  # seconds for a body that is read over, and for one that is read
_BLOCK = 65536  # bytes that are taken at a time
_UNREADABLE = MissingHeaderBodySeparatorDefect, FirstHeaderLineIsContinuationDefect  # the rest of the headers is lost
_MOST_FIGURES = 19  # of a length; Python reads no number of thousands


def is_loopback(host: str) -> bool:
    """Whether a host is this computer as it alone reaches itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def path_of(target: str, headers: Message, local: bool, key: str | None) -> str:
    """The path that is asked for, as it was sent.

    Args:
        target: what the request line names.
        headers: the request's.
        local: whether the server listens on loopback alone.
        key: what clients must send as a bearer token; None where it's not needed.

    Raises:
        Refused: it's no path, a name that another site points at this computer, or the key is missing or wrong.
    """
    if any(isinstance(one, _UNREADABLE) for one in headers.defects) or len(headers.get_all("host", [])) > 1:
        raise Refused(400, "a header can't be read, or the host is named twice")
    try:
        path = urlsplit(target).path
        host = (urlsplit(f"//{headers.get('host') or ''}").hostname or "").lower()
    except ValueError as error:
        raise Refused(400, f"want a path and a host ({error})") from error
    if local and host != "localhost" and not is_loopback(host):
        raise Refused(403, "ask for this server by 127.0.0.1 or localhost")
    if key and path.startswith("/v1/") and not _knows(key, headers.get("authorization") or ""):
        raise Refused(401, "the key is missing or wrong", "invalid_api_key")
    return path


def check_route(method: str, path: str) -> None:
    """Refuse what isn't there, and a method that isn't served there.

    Raises:
        Refused: that; names the routes, or the methods.
    """
    wanted = _ROUTES[f"{_MODEL}NAME"] if path.startswith(_MODEL) else _ROUTES.get(path)
    if wanted is None:
        *most, last = (f"{served} {route}" for route, served in _ROUTES.items())
        raise Refused(404, f"there is nothing here; want {', '.join(most)} or {last}")
    if method not in _ALLOWED[wanted].split(", "):
        raise Refused(405, f"want {wanted}", headers={"allow": _ALLOWED[wanted]})


def model_of(path: str) -> str | None:
    """The name of the model that a path asks about; None where it asks about none."""
    if not path.startswith(_MODEL):
        return None
    sent = path.removeprefix(_MODEL).encode("latin-1", "replace")  # as request lines are read
    return unquote_to_bytes(sent).decode("utf-8", "replace")


def no_request(status: int, why: str | None) -> Refused:
    """What the standard library couldn't read, as a refusal."""
    return Refused(status, _NO_REQUEST.get(status) or f"not HTTP: {why}")


def has_body(headers: Message) -> bool:
    """Whether a body follows, or may."""
    return known_length(headers) != 0 and ("content-length" in headers or "transfer-encoding" in headers)


def known_length(headers: Message) -> int | None:
    """A body's length in bytes, where it is said, and in figures that a length may have."""
    said = _said(headers) or ""
    told = said.isascii() and said.isdigit() and len(said) <= _MOST_FIGURES and "transfer-encoding" not in headers
    return int(said) if told else None


def length_to_read(headers: Message) -> int:
    """A body's length in bytes, which is to be read.

    Raises:
        Refused: it isn't said, it's no length, or it's too long.
    """
    said, length = _said(headers), known_length(headers)
    if said is None or "transfer-encoding" in headers:
        raise Refused(411, "want a body in one piece, its length said in content-length")
    if not (said.isascii() and said.isdigit()):
        raise Refused(400, f"content-length: want a whole number of bytes, not {said!r}")
    if length is None or length > _LONGEST_BODY:
        raise Refused(413, f"the message is too long: {_LONGEST_BODY:,} bytes fit with the conversation; shorten it")
    return length


def body(file: BufferedIOBase, headers: Message) -> bytes:
    """A request's body.

    Args:
        file: what comes on its connection.
        headers: the request's.

    Raises:
        Refused: its length isn't one that is taken, or it comes in drips, which would hold the connection without end.
    """
    left, end = length_to_read(headers), time.monotonic() + _RECEIVING
    blocks: list[bytes] = []
    while left > 0 and (block := file.read1(min(left, _BLOCK))):
        blocks.append(block)
        left -= len(block)
        if left and time.monotonic() > end:
            raise Refused(408, f"the body took longer than {_RECEIVING:.0f} s")
    return b"".join(blocks)


def pass_over(file: BufferedIOBase, headers: Message) -> None:
    """Read a body that is refused, and forget it: a client that is still sending wouldn't hear why."""
    left, end = min(known_length(headers) or 0, _LONGEST_PASSED_OVER), time.monotonic() + _PASSING
    while left > 0 and time.monotonic() < end and (block := file.read1(min(left, _BLOCK))):
        left -= len(block)


def _said(headers: Message) -> str | None:
    """A body's length as it is said; several of them are none, since a proxy may go by another."""
    said = headers.get_all("content-length")
    return None if said is None else ", ".join(said).strip(" \t")


def _knows(key: str, authorization: str) -> bool:
    """Whether a header holds the key; the scheme before it has no case (RFC 9110, 11.1)."""
    scheme, _, sent = authorization.encode("latin-1", "replace").partition(b" ")  # as headers are read
    return scheme.lower() == b"bearer" and hmac.compare_digest(sent, key.encode())
