from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from empathic.dialogues import Dialogue, Reply
from empathic.endpoints.client import Client
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.recipe import Recipe
from empathic.teacher import live
from empathic.teacher.journal import ReplyJournal
from empathic.teacher.strategies import IMPROVING


def _dialogues(n: int) -> list[Dialogue]:
    said = {"human": Reply("Oh no.")}
    return [Dialogue(f"d{i}", f"My boat {i} sank.", f"Storm {i} came.", replies=said, split="train") for i in range(n)]


def _recipe(method: str = "human-improved", strategy: str = "naive", **teacher: Any) -> Recipe:
    return Recipe(name="test", method={"name": method}, strategy=strategy, teacher={"endpoint": "http://x", **teacher})


def _ask(url: str, ledger: Path, recipe: Recipe, dialogues: list[Dialogue], **limits: Any) -> list[dict[str, Any]]:
    kept = Ledger(ledger)
    try:
        endpoint = Endpoint((url,), "m", "m", **{"max_connections": 64, "timeout": 2.0, **limits})
        rows = live.replies(((d, None) for d in dialogues), recipe, Client(endpoint, kept))
        return [row for of_one in rows for row in of_one]
    finally:
        kept.close()


@pytest.mark.parametrize("strategy", IMPROVING)
def test_every_strategy_gives_one_improved_reply_with_its_turns(faulty, tmp_path: Path, strategy: str) -> None:
    rows = _ask(faulty().url, tmp_path / "l.sqlite", _recipe(strategy=strategy), _dialogues(3))
    assert [row["id"] for row in rows] == ["d0", "d1", "d2"]
    for row in rows:
        assert row["teacher"] == "improved"
        assert row["strategy"].split()[0] == strategy
        assert len(row["turns"]) == (3 if strategy == "in-sequence" else 1)
        assert row["reply"] == row["turns"][-1]
        assert row["reply"].startswith("That sounds like")
        assert (row.get("dimension") in ("cognitive", "affective")) == (strategy == "lacking-dimension")


def test_its_own_reply_is_improved_where_the_method_says_so_and_shared_between_strategies(
    faulty, tmp_path: Path
) -> None:
    server, dialogues = faulty(), _dialogues(4)
    first = _ask(server.url, tmp_path / "l.sqlite", _recipe("llm-improved", "naive"), dialogues)
    assert [row["teacher"] for row in first] == ["direct", "improved"] * 4
    second = _ask(server.url, tmp_path / "l.sqlite", _recipe("llm-improved", "affective"), dialogues)
    assert first[::2] == second[::2]
    assert set(server.counts()["came"].values()) == {1}
    assert len(server.counts()["came"]) == 12


def test_dialogues_without_a_reply_to_improve_are_passed_over(faulty, tmp_path: Path) -> None:
    dialogues = [*_dialogues(2), Dialogue("bare", "Nobody said a thing.", split="train")]
    rows = _ask(faulty().url, tmp_path / "l.sqlite", _recipe(), dialogues)
    assert [row["id"] for row in rows] == ["d0", "d1"]


@pytest.mark.slow
def test_a_server_that_fails_in_every_way_still_answers_every_dialogue_once(faulty, tmp_path: Path) -> None:
    server = faulty("--latency", 0.02, "--faults", 0.3, "--limit", 4)
    recipe = _recipe(strategy="in-sequence")
    rows = _ask(server.url, tmp_path / "l.sqlite", recipe, _dialogues(60), max_connections=64, timeout=1.0)
    assert [row["id"] for row in rows] == [f"d{i}" for i in range(60)]
    assert all("reply" in row for row in rows)
    counts = server.counts()
    assert counts["refused"] > 0
    before = Counter(counts["came"])
    assert _ask(server.url, tmp_path / "l.sqlite", recipe, _dialogues(60)) == rows
    assert Counter(server.counts()["came"]) == before


@pytest.mark.parametrize("fault", ["empty", "cut off", "refusal", "truncated", "500", "hang"])
def test_a_dialogue_that_never_gets_a_usable_answer_is_put_aside_with_the_reason(
    faulty, tmp_path: Path, monkeypatch, fault: str
) -> None:
    monkeypatch.setattr("empathic.endpoints.backoff.FIRST", 0.0)
    server = faulty("--faults", 1, "--only", fault)
    rows = _ask(server.url, tmp_path / "l.sqlite", _recipe(), _dialogues(2), timeout=0.2)
    says = {"hang": "no answer came", "cut off": "cut off", "500": "500", "empty": "empty", "refusal": "refuses"}
    assert [set(row) for row in rows] == [{"id", "aside"}] * 2
    assert says.get(fault, "garbled") in rows[0]["aside"]
    assert _ask(faulty().url, tmp_path / "l.sqlite", _recipe(), _dialogues(2))[0]["reply"]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("401", "wants a key.*no luck"),
        ("403", "wants a key.*no luck"),
        ("404", "knows no model"),
        ("429 quota", "no money left"),
    ],
)
def test_what_no_request_survives_ends_at_once(faulty, tmp_path: Path, status: str, says: str) -> None:
    server = faulty("--faults", 1, "--only", status)
    with pytest.raises(UserError, match=says):
        _ask(server.url, tmp_path / "l.sqlite", _recipe(), _dialogues(300), max_connections=4)
    assert sum(server.counts()["came"].values()) < 40


def test_a_context_too_long_puts_one_dialogue_aside(faulty, tmp_path: Path) -> None:
    rows = _ask(faulty("--faults", 1, "--only", "400").url, tmp_path / "l.sqlite", _recipe(), _dialogues(1))
    assert "400" in rows[0]["aside"]


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be reached"):
        _ask("http://127.0.0.1:9/v1", tmp_path / "l.sqlite", _recipe(), _dialogues(5))


def test_memory_holds_few_dialogues_at_a_time(faulty, tmp_path: Path) -> None:
    begun = 0

    def endless() -> Any:
        nonlocal begun
        for dialogue in _dialogues(10_000):
            begun += 1
            yield dialogue, None

    kept = Ledger(tmp_path / "l.sqlite")
    rows: Any = live.replies(endless(), _recipe(), Client(Endpoint((faulty().url,), "m", "m", max_connections=2), kept))
    assert next(rows)[0]["id"] == "d0"
    assert begun < 100
    rows.close()
    kept.close()


def test_caps_of_a_minute_are_kept(faulty, tmp_path: Path) -> None:
    started = time.monotonic()
    _ask(faulty().url, tmp_path / "l.sqlite", _recipe(), _dialogues(6), requests_per_minute=300)
    assert 1.0 <= time.monotonic() - started < 4


@pytest.mark.slow
def test_a_hundred_thousand_recorded_requests_are_gone_over_in_no_time(faulty, tmp_path: Path) -> None:
    turns = ["Three weeks, and no letter."] * 3
    lines = (
        [{"id": f"d{i}", "teacher": "improved", "reply": turns[-1], "rating": None, "turns": turns}]
        for i in range(33_334)
    )
    (tmp_path / "teacher.part.jsonl").write_text("".join(json.dumps(rows) + "\n" for rows in lines), encoding="utf-8")
    dialogues = _dialogues(33_336)
    kept = Ledger(tmp_path / "l.sqlite")
    started = time.monotonic()
    journal = ReplyJournal(tmp_path)
    client = Client(Endpoint((faulty().url,), "m", "m"), kept)
    count = sum(
        1 for _ in journal.keep(live.replies(journal.known(dialogues), _recipe(strategy="in-sequence"), client))
    )
    assert time.monotonic() - started < 2
    assert count == 33_336
    assert len(list(journal.lines())) == 33_336
    assert kept.bill()[0]["answers"] == 6
    kept.close()
