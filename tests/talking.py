"""A server that answers as a test wants: the chat endpoint over real HTTP, in words, without log-probabilities."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from empathic.endpoint import Endpoint

Say = Callable[[list[dict[str, str]]], str]  # messages -> the answer


@pytest.fixture
def talking() -> Iterator[Callable[[Say], Endpoint]]:
    """Start such a server; what it says is a function of the messages."""
    started: list[ThreadingHTTPServer] = []

    def start(say: Say) -> Endpoint:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
                message = {"role": "assistant", "content": say(asked["messages"])}
                choice = {"index": 0, "finish_reason": "stop", "message": message}
                body = json.dumps({"id": "1", "object": "chat.completion", "created": 0, "choices": [choice]}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        started.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Endpoint((f"http://127.0.0.1:{server.server_address[1]}/v1",), "m", f"talking {len(started)}")

    yield start
    for server in started:
        server.shutdown()
        server.server_close()
