"""A server that answers as a test wants: the chat endpoint over real HTTP.

Answers are cut to the tokens that are asked for, which are words and marks. Log-probabilities come only where a test
says what they are.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from empathic.endpoints.endpoint import Endpoint

Say = Callable[[list[dict[str, str]]], str]  # messages -> the answer
Logprobs = Callable[[str], Any]  # an answer -> what the server sends as its log-probabilities


@pytest.fixture
def talking() -> Iterator[Callable[..., Endpoint]]:
    """Start such a server; what it says is a function of the messages."""
    started: list[ThreadingHTTPServer] = []

    def start(say: Say, logprobs: Logprobs | None = None) -> Endpoint:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
                said = re.findall(r"\s*(?:\w+|[^\w\s])", say(asked["messages"]))
                text = "".join(said[: asked["max_tokens"]])
                why = "stop" if len(said) <= asked["max_tokens"] else "length"
                choice: dict[str, Any] = {"index": 0, "finish_reason": why}
                choice["message"] = {"role": "assistant", "content": text}
                if logprobs and asked.get("logprobs"):
                    choice["logprobs"] = logprobs(text)
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
