"""Servers with the habits of real ones: the chat API over real HTTP, with what a test says that they send back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from serving import Handler, servers

REPLY = "Twelve years beside you each morning, and now the house is quiet."


@dataclass(frozen=True)
class Sent:
    """What a server sends: bytes or text as they are, all else as JSON."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass
class Server:
    """Where it listens, the models that it lists, if any, and the bodies and headers that it got."""

    url: str
    models: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


Habit = Callable[[dict[str, Any]], Sent]  # a request's body -> what is sent back


def said(content: Any = REPLY, finish: Any = "stop", message: dict[str, Any] | None = None, **body: Any) -> Sent:
    """A reply as OpenAI sends it, with what is other."""
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": content, **(message or {})},
    }
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return Sent(200, {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage, **body})


def refused(status: int, message: Any, headers: dict[str, str] | None = None, **error: Any) -> Sent:
    """An error as OpenAI sends it."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **error}}
    return Sent(status, body, headers or {})


def streamed(*chunks: dict[str, Any], end: str = "data: [DONE]\n\n") -> Sent:
    """Chunks as server-sent events."""
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return Sent(200, ": hello\n\n" + events + end, {"Content-Type": "text/event-stream"})


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of a stream."""
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


@pytest.fixture
def habits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Habit], Server]]:
    """Start such servers; nobody waits long to ask them again."""
    monkeypatch.setattr("empathic.endpoints.backoff.FIRST", 0.01)
    with servers() as begin:

        def start(habit: Habit) -> Server:
            class Misbehaving(Handler):
                protocol_version = "HTTP/1.1"

                def do_GET(self) -> None:
                    listed = {"object": "list", "data": [{"id": id, "object": "model"} for id in found.models]}
                    sent = Sent(200, listed) if found.models else refused(404, "Not Found")
                    self.send(sent.status, sent.data(), {"Content-Type": "application/json"})

                def do_POST(self) -> None:
                    data = self.rfile.read(length := int(self.headers["content-length"]))
                    if len(data) < length:
                        return  # the client was stopped while it asked
                    asked = json.loads(data)
                    found.asked.append(asked)
                    found.headers.append(dict(self.headers))
                    sent = habit(asked) if self.path.endswith("/v1/chat/completions") else refused(404, "Not Found")
                    self.send(sent.status, sent.data(), {"Content-Type": "application/json"} | sent.headers)

            found = Server(begin(Misbehaving))
            return found

        yield start
