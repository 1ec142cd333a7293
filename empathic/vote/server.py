"""The voting page's server, on loopback: tells a rater the next pair, takes a vote, never says which reply is whose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

from empathic.errors import UserError
from empathic.vote.ballot_pairs import BallotPair
from empathic.vote.ballots import Ballots

_LONGEST_NAME = 60
_LONGEST_BODY = 10_000  # bytes
_CHOICES = ("left", "right", "equal", "skip")


class _Refused(Exception):
    """A request that can't be served; says why."""


def serve(pairs: Sequence[BallotPair], ballots: Ballots, port: int) -> ThreadingHTTPServer:
    """A server that is bound but not yet running; `serve_forever` runs it.

    Args:
        pairs: what raters are shown, in order.
        ballots: where votes go.
        port: on 127.0.0.1; 0 for any that is free.

    Raises:
        UserError: the port is in use.
    """
    by_id = {pair.id: pair for pair in pairs}
    page = _part("page.html").replace("/*css*/", _part("page.css")).replace("/*js*/", _part("page.js"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or a page waits 40 ms for its body

        def do_GET(self) -> None:
            where = urlsplit(self.path)
            if where.path == "/":
                self._send(page.encode(), "text/html; charset=utf-8")
            elif where.path == "/next":
                self._answer(lambda: _next(pairs, ballots, _name(parse_qs(where.query).get("rater", [""])[0])))
            else:
                self._send(b"not found", "text/plain", HTTPStatus.NOT_FOUND)

        def do_POST(self) -> None:
            self._answer(lambda: self._voted(self._body()))

        def _voted(self, asked: dict[str, Any]) -> dict[str, Any]:
            rater = _name(asked.get("rater"))
            if self.path == "/back":
                _back(by_id, ballots, rater)
            elif self.path == "/vote":
                pair, choice = by_id.get(str(asked.get("pair"))), asked.get("choice")
                if pair is None:
                    raise _Refused("there is no such pair")
                if choice not in _CHOICES:
                    raise _Refused(f"choose one of {', '.join(_CHOICES)}")
                left, right = ("a", "b") if pair.a_left(rater) else ("b", "a")
                ballots.cast(rater, pair, {"left": left, "right": right}.get(choice, choice), left)
            else:
                raise _Refused("there is nothing here")
            return _next(pairs, ballots, rater)

        def _body(self) -> dict[str, Any]:
            """A request's JSON; that it must say so keeps pages of other sites out."""
            length = int(self.headers.get("content-length") or 0)
            if length > _LONGEST_BODY or self.headers.get("content-type") != "application/json":
                self.close_connection = True
                raise _Refused("want a small JSON object")
            try:
                found = json.loads(self.rfile.read(length))
            except ValueError as error:
                raise _Refused("want a small JSON object") from error
            if not isinstance(found, dict):
                raise _Refused("want a small JSON object")
            return found

        def _answer(self, do: Any) -> None:
            host = (self.headers.get("host") or "").rsplit(":", 1)[0]
            if host not in ("127.0.0.1", "localhost"):  # a name that another site points here
                self._send(b"not here", "text/plain", HTTPStatus.FORBIDDEN)
                return
            try:
                found, status = do(), HTTPStatus.OK
            except _Refused as why:
                found, status = {"error": str(why)}, HTTPStatus.BAD_REQUEST
            except UserError as error:  # a disk that fails: the page says so, and the rater tries again
                found, status = {"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR
            self._send(json.dumps(found).encode(), "application/json", status)

        def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: the terminal is for the person who started it."""

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UserError(f"--port {port}: can't listen there ({error.strerror}); give another") from error


def _part(name: str) -> str:
    return (resources.files("empathic.vote") / name).read_text(encoding="utf-8")


def _name(given: object) -> str:
    name = " ".join(str(given or "").split())
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise _Refused(f"give a name of 1 to {_LONGEST_NAME} characters")
    return name


def _next(pairs: Sequence[BallotPair], ballots: Ballots, rater: str) -> dict[str, Any]:
    """How far a rater is, the first pair without a vote of theirs, and how many they saw before replies changed."""
    seen = ballots.seen(rater)
    left = [pair for pair in pairs if seen.get(pair.id) != pair.shown]
    shown = None
    if left:
        pair = left[0]
        one, other = (pair.a, pair.b) if pair.a_left(rater) else (pair.b, pair.a)
        shown = {"pair": pair.id, "utterance": pair.utterance, "left": one, "right": other}
    stale = sum(pair.id in seen for pair in left)
    return {"done": len(pairs) - len(left), "total": len(pairs), "stale": stale, "next": shown}


def _back(by_id: Mapping[str, BallotPair], ballots: Ballots, rater: str) -> None:
    """Take back a rater's last vote, if there is one, on what is shown now."""
    seen = ballots.seen(rater)
    last = next((id for id in reversed(seen) if id in by_id and by_id[id].shown == seen[id]), None)
    if last is not None:
        ballots.take_back(rater, last)
