"""Reading requests that somebody made to hold a connection, or to slip a second request in."""

from __future__ import annotations

import io
import json
import re
import time
from email import message_from_string

import pytest
from asking import Start, whole_answer

from empathic.conversation import request, wire
from empathic.conversation.speaker import Speaker
from empathic.conversation.wire import Refused

INNER = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Drips(io.BufferedIOBase):
    """A connection on which a byte comes every twentieth of a second, for ever."""

    def read1(self, size: int = -1, /) -> bytes:
        time.sleep(0.05)
        return b"x"


def test_a_body_in_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "_RECEIVING", 0.2)
    monkeypatch.setattr(request, "_PASSING", 0.2)
    headers = message_from_string("content-length: 5000\n\n")
    started = time.monotonic()
    with pytest.raises(Refused, match="took longer") as refused:
        request.body(Drips(), headers)
    assert refused.value.status == 408
    request.pass_over(Drips(), headers)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("line", ["content-length : 46", "foo bar\r\ncontent-length: 46", "host: localhost"])
def test_headers_that_cannot_be_read_hide_no_second_request(start: Start, speaker: Speaker, line: str) -> None:
    server = start(speaker)
    answer = whole_answer(server, f"GET /health HTTP/1.1\r\nhost: localhost\r\n{line}\r\n\r\n{INNER}".encode()).decode()
    assert answer.count("HTTP/1.1 ") == 1 and answer.startswith("HTTP/1.1 400")


def test_a_connection_goes_on_after_head_and_after_a_method_that_is_not_served(start: Start, speaker: Speaker) -> None:
    server = start(speaker)
    first = (
        "HEAD /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\r\n"
    )
    last = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answer = whole_answer(server, (first + last).encode()).decode()
    assert re.findall(r"HTTP/1\.1 (\d+)", answer) == ["200", "405", "200"]


def test_a_list_of_nonsense_is_refused_at_its_first_item() -> None:
    body = json.dumps({"model": "a", "messages": [{"role": "user", "content": [1] * 300_000}]}).encode()
    started = time.process_time()
    with pytest.raises(Refused):
        wire.read(body)
    assert time.process_time() - started < 0.5
