"""A server that answers as a test wants: the chat endpoint over real HTTP.

Answers are cut to the tokens that are asked for, which are words and marks. Log-probabilities come only where a test
says what they are.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from serving import Handler, servers

from empathic.endpoints.endpoint import Endpoint

Say = Callable[[list[dict[str, str]]], str]  # messages -> the answer
Logprobs = Callable[[str], Any]  # an answer -> what the server sends as its log-probabilities


@pytest.fixture
def talking() -> Iterator[Callable[..., Endpoint]]:
    """Start such a server; what it says is a function of the messages."""
    numbers = itertools.count(1)
    with servers() as begin:

        def start(say: Say, logprobs: Logprobs | None = None) -> Endpoint:
            class Talking(Handler):
                def do_POST(self) -> None:
                    asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
                    said = re.findall(r"\s*(?:\w+|[^\w\s])", say(asked["messages"]))
                    text = "".join(said[: asked["max_tokens"]])
                    why = "stop" if len(said) <= asked["max_tokens"] else "length"
                    choice: dict[str, Any] = {"index": 0, "finish_reason": why}
                    choice["message"] = {"role": "assistant", "content": text}
                    if logprobs and asked.get("logprobs"):
                        choice["logprobs"] = logprobs(text)
                    answer = {"id": "1", "object": "chat.completion", "created": 0, "choices": [choice]}
                    self.send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

            return Endpoint((begin(Talking),), "m", f"talking {next(numbers)}")

        yield start
