"""Servers on loopback for as long as a fixture needs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """A handler that keeps quiet, and sends a whole body."""

    disable_nagle_algorithm = True  # or a body waits 40 ms, until the client's computer has said that it got the head

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """The answer; its length is said."""
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def servers() -> Iterator[Callable[[type[Handler]], str]]:
    """Start servers by their handler, each under the base URL that is returned; they end with the block."""
    started: list[ThreadingHTTPServer] = []

    def start(handler: type[Handler]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        started.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/v1"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()
