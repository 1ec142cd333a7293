from __future__ import annotations

import http.server
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from empathic.endpoints.chat_api import Answer, Request
from empathic.endpoints.client import ask
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError


def _ask(*asked: Any) -> list[Answer]:
    return list(ask(*asked))


HELLO = Request([{"role": "user", "content": "hello"}], max_tokens=5)


@pytest.fixture
def server() -> Iterator[tuple[str, list[Any]]]:
    """A server that speaks the chat API and answers with the statuses it is told, then well; keeps what it saw."""
    seen: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        disable_nagle_algorithm = True
        statuses: list[int] = []  # noqa: RUF012

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(body)
            status = self.statuses.pop(0) if self.statuses else 200
            usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
            message = {"role": "assistant", "content": f" said {body['messages'][-1]['content']} "}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            full = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            answer = {**full, "usage": usage} if status == 200 else {"error": {"message": "no"}}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    seen.append(Handler.statuses)
    yield f"http://127.0.0.1:{server.server_port}/v1", seen
    server.shutdown()


def test_an_answer_is_asked_for_once_and_then_comes_from_the_ledger(server, tmp_path: Path) -> None:
    url, seen = server
    with open_endpoint(url, "m") as endpoint:
        for _ in range(2):
            ledger = Ledger(tmp_path / "l.sqlite")
            assert _ask(endpoint, [HELLO], ledger, "test")[0].text == "said hello"
            ledger.close()
    assert len(seen) == 2
    assert seen[1]["model"] == "m"
    rows = sqlite3.connect(tmp_path / "l.sqlite").execute(
        "select purpose, prompt_tokens, completion_tokens from answers"
    )
    assert rows.fetchall() == [("test", 3, 2)]


def test_requests_are_read_no_further_ahead_than_a_window(server, tmp_path: Path) -> None:
    read = 0

    def endless() -> Iterator[Request]:
        nonlocal read
        for read in range(1_000_000):
            yield Request([{"role": "user", "content": f"{read}?"}], 5)

    with open_endpoint(server[0], "m") as endpoint:
        answers = ask(endpoint, endless(), Ledger(tmp_path / "l.sqlite"), "test")
        assert [next(answers).text for _ in range(3)] == ["said 0?", "said 1?", "said 2?"]
        answers.close()  # type: ignore[attr-defined]
    assert read <= 3 + 4 * endpoint.max_connections


def test_equal_requests_at_once_are_asked_and_paid_once(server, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    with open_endpoint(server[0], "m") as endpoint:
        answers = _ask(endpoint, [HELLO, HELLO, HELLO], ledger, "test")
    assert {answer.text for answer in answers} == {"said hello"}
    assert len(server[1]) == 2
    assert [(row["answers"], row["prompt_tokens"]) for row in ledger.bill()] == [(1, 3)]


def test_known_answers_wait_for_no_cap_of_a_minute(server, tmp_path: Path) -> None:
    asked = [Request([{"role": "user", "content": f"{i}?"}], 5) for i in range(20)]
    with open_endpoint(server[0], "m") as endpoint:
        first = _ask(endpoint, asked, Ledger(tmp_path / "l.sqlite"), "test")
        started = time.monotonic()
        slow = replace(endpoint, requests_per_minute=60)
        assert _ask(slow, asked, Ledger(tmp_path / "l.sqlite"), "test") == first
    assert time.monotonic() - started < 5, "20 requests would take 19 s"


def test_a_server_that_stumbles_is_asked_again(server, tmp_path: Path) -> None:
    url, seen = server
    seen[0][:] = [500, 429]
    with open_endpoint(url, "m") as endpoint:
        assert _ask(endpoint, [HELLO], Ledger(tmp_path / "l.sqlite"), "test")[0].text == "said hello"
    assert len(seen) == 4


def test_parameters_that_a_server_does_not_take_are_left_out(faulty, tmp_path: Path) -> None:
    names = ("logprobs", "seed", "max_tokens")
    server = faulty("--latency", 0.05, *(word for name in names for word in ("--takes-no", name)))
    asked = [Request([{"role": "user", "content": f"{i}? Answer yes or no."}], 1, top_logprobs=20) for i in range(40)]
    with open_endpoint(server.url, "m") as endpoint:
        answers = _ask(endpoint, asked, Ledger(tmp_path / "l.sqlite"), "test")
    assert {answer.text for answer in answers} == {"Yes", "No"}
    counts = server.counts()
    assert set(counts["well"].values()) == {1}
    assert sum(counts["came"].values()) <= len(asked) + len(names) * endpoint.max_connections
    stubborn = faulty("--takes-no", "model", "--takes-no", "messages")
    with open_endpoint(stubborn.url, "m") as endpoint, pytest.raises(UserError, match=r"400.*'model'"):
        _ask(endpoint, asked[:1], Ledger(tmp_path / "s.sqlite"), "test")


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        lambda text: None,
        lambda text: {},
        lambda text: {"content": None},
        lambda text: {"content": []},
        lambda text: {"content": [{"token": "The", "logprob": 0.0, "top_logprobs": []}]},
        lambda text: {"content": [{"token": "The", "logprob": 0.0, "top_logprobs": None}]},
    ],
)
def test_a_scored_answer_without_probabilities_has_room_for_words(talking, logprobs, tmp_path: Path) -> None:
    came = []

    def say(messages: list[dict[str, str]]) -> str:
        came.append(messages)
        return "The answer is **yes**, I would say, for all that I know of it."

    asked = [Request([{"role": "user", "content": f"{i}?"}], 1, top_logprobs=20) for i in range(40)]
    endpoint = talking(say, logprobs)
    answers = _ask(endpoint, asked, Ledger(tmp_path / "l.sqlite"), "test")
    assert {(answer.text, answer.finish) for answer in answers} == {("The answer is **yes**", "length")}
    assert not any(answer.logprobs for answer in answers)
    assert len(came) <= len(asked) + endpoint.max_connections, "what the server doesn't give is asked of it once"


def test_one_answer_without_probabilities_does_not_cost_the_others_theirs(talking, tmp_path: Path) -> None:
    def logprobs(text: str) -> dict[str, object]:
        top = [{"token": text, "logprob": -0.1}]
        return {"content": [] if text == "Hm" else [{"token": text, "logprob": -0.1, "top_logprobs": top}]}

    def say(messages: list[dict[str, str]]) -> str:
        return "Hm, no." if messages[0]["content"] == "3?" else "Yes"

    asked = [Request([{"role": "user", "content": f"{i}?"}], 1, top_logprobs=20) for i in range(12)]
    answers = _ask(replace(talking(say, logprobs), max_connections=1), asked, Ledger(tmp_path / "l.sqlite"), "test")
    assert (answers.pop(3).text, {answer.text for answer in answers}) == ("Hm, no.", {"Yes"})
    assert all(answer.logprobs == {"Yes": -0.1} for answer in answers)


def test_a_refused_key_is_one_line_that_does_not_show_it(server, tmp_path: Path, monkeypatch) -> None:
    url, seen = server
    seen[0][:] = [401]
    monkeypatch.setenv("SOME_KEY", "sk-secret")
    ledger = Ledger(tmp_path / "l.sqlite")
    with pytest.raises(UserError, match="refused the key") as caught, open_endpoint(url, "m", "SOME_KEY") as endpoint:
        _ask(endpoint, [HELLO], ledger, "test")
    assert "sk-secret" not in str(caught.value)
    assert b"sk-secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_dead_server_is_one_line(tmp_path: Path) -> None:
    endpoint = Endpoint(("http://127.0.0.1:9/v1",), "m", "m")
    with pytest.raises(UserError, match="can't be reached"):
        _ask(endpoint, [HELLO], Ledger(tmp_path / "l.sqlite"), "test")


def test_a_missing_key_names_its_variable(monkeypatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(UserError, match="SOME_KEY"), open_endpoint("https://example.org/v1", "m", "SOME_KEY"):
        pass


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.sqlite").write_text("not a database, just words that somebody put here", encoding="utf-8")
    with pytest.raises(UserError, match="not a ledger"):
        Ledger(tmp_path / "l.sqlite")


def test_two_processes_may_write_the_same_answer(tmp_path: Path) -> None:
    one, two = Ledger(tmp_path / "l.sqlite"), Ledger(tmp_path / "l.sqlite")
    one.put({"a": 1}, {"text": "first"}, model="m", purpose="p")
    two.put({"a": 1}, {"text": "second"}, model="m", purpose="p")
    assert two.get({"a": 1}) == {"text": "first"}


def _said(text: str, **settings: Any) -> Request:
    told = {"role": "system", "content": "Reply with empathy to what this person says, in about 28 words."}
    return Request([told, {"role": "user", "content": text}], **{"max_tokens": 48, **settings})


@pytest.mark.network
def test_a_local_reply_is_the_same_whatever_is_asked_before_and_beside_it(tmp_path: Path) -> None:
    asked = [_said(text) for text in ("The roof leaks again.", "We won the cup and nobody came.", "My dog is old.")]
    replies = []
    for name, requests, servers in (("all", asked, 2), ("last", asked[2:], 2), ("turned", asked[::-1], 1)):
        with open_endpoint("local:smollm2-135m", parallel=servers) as endpoint:
            ledger = Ledger(tmp_path / f"{name}.sqlite")
            answers = _ask(endpoint, requests, ledger, "test")
            replies.append(dict(zip([r.messages[1]["content"] for r in requests], answers, strict=True)))
            ledger.close()
    assert replies[0] == replies[2]
    assert replies[1]["My dog is old."] == replies[0]["My dog is old."]


@pytest.mark.network
def test_a_local_judgement_that_was_killed_goes_on_with_the_same_probabilities(tmp_path: Path) -> None:
    words = ("leaks", "sings", "burns", "waits", "shines", "hums")
    asked = [_said(f"The kettle {w}. Is that kind? yes or no", max_tokens=1, top_logprobs=20) for w in words]
    found = []
    for name, stretches in (("undisturbed", [asked]), ("killed", [asked[:3], asked])):
        ledger = Ledger(tmp_path / f"{name}.sqlite")
        for requests in stretches:
            with open_endpoint("local:smollm2-135m") as endpoint:
                answers = _ask(endpoint, requests, ledger, "test")
        found.append([answer.logprobs for answer in answers])
        ledger.close()
    for one, two in zip(*found, strict=True):
        best = max(one, key=one.__getitem__)
        assert two[best] == pytest.approx(one[best], abs=0.02)
