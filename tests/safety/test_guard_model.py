"""A larger model in front of the gate: what it calls a crisis is one, and where it fails the gate decides alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from empathic.cli.main import app
from empathic.safety import guard_model, settings
from empathic.safety.gate import Gate
from empathic.safety.guard_model import GuardModel

PLAIN = "My boat sank."
Turns = list[dict[str, str]]


def said(*turns: str) -> Turns:
    return [{"role": "user", "content": turn} for turn in turns]


def answering(answer: str) -> GuardModel:
    return GuardModel(lambda messages: answer, lambda text: None)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("crisis", "crisis"),
        ("Crisis.", "crisis"),
        ("<think>Is this safe? No.</think>crisis", "crisis"),
        ("unsafe\nS11", "crisis"),
        ("Safety: Unsafe\nCategories: Suicide & Self-Harm", "crisis"),
        ("Safety: Controversial\nCategories: Violent", "harmful"),
        ("unsafe\nS9", "harmful"),
        ("harmful", "harmful"),
        ("Yes", "harmful"),
        ("safe", None),
        ("Safe: no crisis is meant, it is a film", None),
        ("Safety: Safe\nCategories: None", None),
        ("No", None),
        ("I'd rather talk about boats.", None),
        ("", None),
    ],
)
def test_words_of_instructed_and_of_guard_models_are_understood(answer: str, label: str | None) -> None:
    assert answering(answer).heard(said(PLAIN)) == [label]


def test_what_it_calls_a_crisis_is_one_and_stays_one_in_the_next_turn(gate: Gate) -> None:
    answers = iter(["crisis", "safe"])
    larger = GuardModel(lambda messages: next(answers))
    turns = said(PLAIN)
    assert gate.check(turns).label == "ordinary"
    first = gate.check(turns, "GB", larger.heard(turns))
    assert first.label == "crisis" and "116 123" in str(first.reply)
    turns += [{"role": "assistant", "content": str(first.reply)}, *said("It was blue.")]
    second = gate.check(turns, "GB", larger.heard(turns))
    assert second.label != "crisis" and second.careful


def test_what_it_calls_harmful_is_refused_and_what_the_gate_stops_stays_stopped(gate: Gate) -> None:
    assert gate.check(said(PLAIN), heard=["harmful"]).label == "harmful"
    turns = said("I'm going to kill myself tonight.")
    assert gate.check(turns, heard=answering("safe").heard(turns)).label == "crisis"


def test_a_turn_is_asked_about_once_and_no_text_is_kept() -> None:
    asked: list[Turns] = []

    def ask(messages: Turns) -> str:
        asked.append(messages)
        return "safe"

    larger = GuardModel(ask)
    turns = [*said(PLAIN), {"role": "assistant", "content": "Oh no."}, *said("It was blue.")]
    larger.heard(turns), larger.heard(turns)
    assert asked == [turns]
    assert PLAIN not in repr(vars(larger))
    long = [*turns * 20, *said("And now?")]
    larger.heard(long)
    assert len(asked[-1]) <= guard_model.TURNS and asked[-1][0]["role"] == "user"


def test_one_that_fails_leaves_the_gate_alone_and_says_so_once(gate: Gate) -> None:
    told: list[str] = []

    def ask(messages: Turns) -> str:
        raise TimeoutError(messages[0]["content"])

    larger = GuardModel(ask, told.append)
    assert larger.heard(said(PLAIN)) == larger.heard(said("Another boat."))[:1] == [None]
    assert told == ["the guard model didn't answer (TimeoutError); the gate decides alone"]
    larger.heard(said(PLAIN))
    assert larger.said == {"nothing": 3}, "what failed is asked again"
    assert larger.heard([]) == []


@pytest.fixture
def server() -> Iterator[Callable[[str], str]]:
    """A server of the chat API on loopback that says one thing, and what it was asked."""
    running: list[ThreadingHTTPServer] = []

    def begin(answer: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
                word = answer if asked["messages"][0]["role"] == "system" else "no instruction"
                body = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": word}}]})
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args: Any) -> None:
                pass

        running.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_address[1]}/v1"

    yield begin
    for one in running:
        one.shutdown()
        one.server_close()


def test_a_server_of_the_chat_api_is_asked(server: Callable[[str], str]) -> None:
    found = settings.GuardModel(endpoint=server("crisis"), model="guard")
    with guard_model.opened(found, print) as larger:
        assert larger.heard(said(PLAIN)) == ["crisis"]
    assert larger.said == {"crisis": 1}


def test_a_server_that_is_not_there_is_no_opinion() -> None:
    told: list[str] = []
    found = settings.GuardModel(endpoint="http://127.0.0.1:9/v1", model="guard", seconds=2)
    with guard_model.opened(found, told.append) as larger:
        assert larger.heard(said(PLAIN)) == [None]
    assert told == ["the guard model didn't answer (APIConnectionError); the gate decides alone"]


def test_the_trial_is_of_gate_and_guard_model_together(server: Callable[[str], str], tmp_path: Path) -> None:
    texts, own = tmp_path / "texts.jsonl", tmp_path / "safety.yaml"
    texts.write_text(json.dumps({"text": PLAIN, "label": "crisis", "kind": "veiled"}) + "\n")
    own.write_text(f"guard: {{endpoint: '{server('crisis')}', model: guard}}\n")
    alone = CliRunner().invoke(app, ["safety", "eval", str(texts), "--json"])
    both = CliRunner().invoke(app, ["safety", "eval", str(texts), "--json", "--safety", str(own)])
    assert json.loads(alone.stdout)["rows"][0]["counts"][0] == 0
    assert json.loads(both.stdout)["rows"][0]["counts"][0] == 1
    assert "the guard model said: crisis 1" in both.stderr
