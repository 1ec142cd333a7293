"""The chat API over HTTP, as OpenAI's clients speak it, and a page to chat on."""

from __future__ import annotations

import errno
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from empathic.conversation import request, wire
from empathic.conversation.clients import Replies, while_there
from empathic.conversation.engine import EngineFailed
from empathic.conversation.messages import BadMessage, Message
from empathic.conversation.notices import Talks
from empathic.conversation.page import MARK, page
from empathic.conversation.speaker import Given, Reply, Speaker
from empathic.conversation.wire import Refused
from empathic.errors import UserError
from empathic.safety.compliance import NOTHING, Compliance, everything

SLOTS = 4  # replies that an engine writes at a time: more of them slow each other down on a CPU
_CONNECTIONS = 512  # at a time; a request takes up to three descriptors, and a process often has 1,024
_PORTS_FAULT = (errno.EADDRINUSE, errno.EACCES)  # any other is the host's
_RETRY_AFTER = 5  # seconds; about as long as a short reply takes


class Server(ThreadingHTTPServer):
    """A server that is bound but not yet running; `serve_forever` runs it.

    Args:
        host: where it listens.
        port: on that address; 0 for any that is free.
        key: what clients must send as a bearer token; None where it's not needed.
        limit: requests that are answered or wait at a time; further ones are told to come back.
        compliance: what people are to be told at the start and again, and whether replies are marked.

    Attributes:
        speakers: who can be asked, by name; nobody until they are loaded.

    Raises:
        UserError: the port is in use, or the address isn't this computer's.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str | None = None,
        limit: int = 64,
        compliance: Compliance = NOTHING,
        disclosure: str | None = None,
    ) -> None:
        self.key, self.limit, self.talks, self.disclosure = key, limit, Talks(compliance), disclosure
        self.speakers: dict[str, Speaker] = {}
        self.room = threading.BoundedSemaphore(limit)
        self.connections = threading.BoundedSemaphore(_CONNECTIONS)
        self.replies = Replies()
        self.local = request.is_loopback(host)
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError, TypeError, UnicodeError) as error:  # the last two: no name of a computer
            raise _cannot_listen(host, port, error) from error

    @property
    def url(self) -> str:
        """Where it is."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"

    def page(self) -> tuple[bytes, str]:
        """The page, with what its readers have to be told, and its policy."""
        told = everything(self.talks.compliance, " AND ".join(self.speakers), self.disclosure)
        return page(told, self.talks.compliance.marked)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, or close it where there are too many."""
        if not self.connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had
            self.connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a client is gone; anything else is a fault of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def check_open(host: str, key: str | None) -> None:
    """Refuse an address that others can reach, without a key.

    Raises:
        UserError: that.
    """
    if key is None and not request.is_loopback(host):
        raise UserError(f"--host {host}: others can reach it; name the variable with the key they need, --key-env NAME")


def _cannot_listen(host: str, port: int, error: Exception) -> UserError:
    why = getattr(error, "strerror", None) or error
    ports = isinstance(error, OverflowError) or getattr(error, "errno", None) in _PORTS_FAULT
    option, instead = ("--port", "another port") if ports else ("--host", "an address of this computer")
    return UserError(f"{option}: can't listen on {host}:{port} ({why}); name {instead}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "empathic", ""
    default_request_version = "HTTP/1.0"  # or a line that is no request would be answered without a status
    timeout = 60  # seconds for a client to send or take something
    disable_nagle_algorithm = True  # or a small piece waits until the client's computer has said that it got the last
    server: Server

    def do_GET(self) -> None:
        with self._refusing():
            path = self._admitted()
            if request.has_body(self.headers):
                self.close_connection = True  # nobody reads the body of a GET
            if path == "/":
                body, policy = self.server.page()
                self._send(body, "text/html; charset=utf-8", more={"content-security-policy": policy})
            elif path == "/health":
                self._send_json({"status": "ok"})
            elif (name := request.model_of(path)) is not None:
                self._send_json(wire.models([self._speaker(name)])[0])
            else:
                self._send_json({"object": "list", "data": wire.models(self.server.speakers.values())})

    do_HEAD = do_GET  # `_send` leaves the body out

    def do_POST(self) -> None:
        with self._refusing():
            self._admitted()
            asked = wire.read(self._body())
            speaker = self._speaker(asked.model)
            turns = self.server.talks.without(speaker.name, asked.turns)
            reply = speaker.reply(turns, **asked.asked)
            answer, headers = self._answer(speaker, reply, turns, asked.user)
            if isinstance(reply, Given):  # needs no room: somebody in danger isn't told to come back
                self._reply(answer, asked, headers | ({"x-empathic-gate": reply.label} if reply.label else {}))
                return
            if not self.server.room.acquire(blocking=False):
                raise Refused(503, f"{self.server.limit} requests are at work or waiting; try again", "overloaded")
            try:
                with self.server.replies.kept(reply), while_there(self.connection, reply):
                    self._reply(answer, asked, headers)
            finally:
                self.server.room.release()

    def _answer(
        self, speaker: Speaker, reply: Reply, turns: list[Message], user: str | None
    ) -> tuple[wire.Answer, dict[str, str]]:
        """What is sent, and its headers: the reply, what has to be told with it, and marks for machines."""
        apart = self.headers.get("x-empathic-notices") == "field"  # the client shows them apart from the reply
        whose = f"{self.client_address[0]} {user}"
        chunks, about = self.server.talks.noted(whose, speaker.name, turns, reply, apart)
        return wire.Answer(speaker, chunks, about), {"ai-disclosure": MARK} if about.get("ai_generated") else {}

    def _reply(self, answer: wire.Answer, asked: wire.ChatRequest, more: dict[str, str]) -> None:
        if not asked.stream:
            if whole := answer.whole():
                self._send_json(whole, more=more)
            else:
                self.close_connection = True
            return
        events = answer.events(bool(asked.stream_options and asked.stream_options.include_usage))
        first = next(events, b"")  # what is refused is refused with its status, before a stream begins
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("cache-control", "no-store")
        self.send_header("connection", "close")
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(first)
        try:
            for event in events:
                self.wfile.write(event)
        except EngineFailed as error:
            self.wfile.write(wire.event(Refused(500, str(error)).body()))

    def _admitted(self) -> str:
        """The path that is asked for.

        Raises:
            Refused: who asks isn't let in, and the connection ends; or this path or its method isn't served.
        """
        try:
            path = request.path_of(self.path, self.headers, self.server.local, self.server.key)
        except Refused:
            self._end()
            raise
        try:
            request.check_route(self.command, path)
        except Refused:
            if request.has_body(self.headers):
                self._end()
            raise
        return path

    def _body(self) -> bytes:
        """A request's body, read before more is refused, so that the connection can go on.

        Raises:
            Refused: its length isn't one that is taken, and the connection ends; or it's of another kind.
        """
        try:
            body = request.body(self.rfile, self.headers)
        except Refused:
            self._end()
            raise
        if self.headers.get_content_type() != "application/json":  # keeps pages of other sites out
            raise Refused(415, "want content-type: application/json")
        return body

    def _end(self) -> None:
        """End the connection with this answer: what is left of a body would be read as a request.

        The body is read and forgotten: a client that is still sending wouldn't hear why it is refused.
        """
        self.close_connection = True
        request.pass_over(self.rfile, self.headers)

    def _speaker(self, name: str) -> Speaker:
        if found := self.server.speakers.get(name):
            return found
        want = ", ".join(self.server.speakers)
        raise Refused(404, f"no model is called {name!r}; want {want}", "model_not_found", "model")

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Answer what is refused in OpenAI's shape."""
        try:
            yield
        except Refused as error:
            self._refuse(error)
        except BadMessage as error:
            self._refuse(wire.refusal(error))
        except EngineFailed as error:
            self._refuse(Refused(500, str(error)))

    def _refuse(self, error: Refused) -> None:
        more = {"retry-after": str(_RETRY_AFTER)} if error.status == 503 else {}
        self._send_json(error.body(), error.status, {**more, **error.headers})

    def _send_json(self, row: dict[str, Any], status: int = 200, more: dict[str, str] | None = None) -> None:
        self._send(json.dumps(row).encode(), "application/json", status, more)

    def _send(self, body: bytes, kind: str, status: int = 200, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"content-type": kind, "content-length": str(len(body)), "cache-control": "no-store", **(more or {})}
        for name, value in {**headers, "x-content-type-options": "nosniff"}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses (no HTTP, a method that isn't served) has the same shape."""
        self.close_connection = True
        if code == 501:
            with self._refusing():
                self._admitted()  # no route has such a method
        else:
            self._refuse(request.no_request(code, message))

    def log_message(self, *_: Any) -> None:
        """Say nothing: what people write to it is theirs."""
