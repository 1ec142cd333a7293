from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tokens import TOKENIZER

from empathic.endpoints.ledger import Ledger
from empathic.endpoints.pricing import Budget, BudgetReached, cost, most_tokens, prices
from empathic.errors import UserError


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-latest"])
def test_a_dated_name_has_the_price_of_its_model(model: str) -> None:
    assert prices(model, None) == (2.5, 10.0)


@pytest.mark.parametrize("model", ["gpt-4o-audio", "gpt-4", "", None])
def test_another_model_has_no_price_unless_the_recipe_gives_one(model: str | None) -> None:
    assert prices(model, None) is None
    assert prices(model, [1, 2]) == (1, 2)


def test_a_million_tokens_cost_the_price() -> None:
    assert cost((2.5, 10.0), (1_000_000, 100_000)) == pytest.approx(3.5)


@pytest.mark.parametrize("text", ["plain words here", "这太难了，我能理解。" * 9, "🙂" * 30, "a1!b2?" * 30])  # noqa: RUF001
def test_the_most_tokens_are_no_fewer_than_a_tokenizer_counts(text: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    read, written = most_tokens([{"role": "user", "content": text}], 50)
    asked = tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True)
    assert read + 40 >= len(asked["input_ids"])  # SmolLM2's template adds a system message of its own
    assert written == 50


def test_a_purse_stops_before_its_budget_with_what_is_in_flight_counted() -> None:
    asked = [{"role": "user", "content": "x" * 984}]  # 1,000 tokens at most
    budget = Budget((1000.0, 1000.0), budget=5.0, spent=1.0)
    one = budget.reserve(asked, 1000)
    assert one == pytest.approx(2.0)
    budget.reserve(asked, 1000)
    with pytest.raises(BudgetReached, match=r"5\.00 US dollars"):
        budget.reserve(asked, 1000)
    assert budget.settle(one, (100, 100)) == pytest.approx(0.2)
    budget.reserve(asked, 700)


@pytest.mark.parametrize(("budget", "shown"), [(0.004, "0.004"), (0.03, "0.03"), (0.5, "0.50"), (0.000012, "0.000012")])
def test_a_small_budget_is_shown_as_it_was_given(budget: float, shown: str) -> None:
    with pytest.raises(BudgetReached, match=rf"{shown} US dollars are used up \(\$0\.0000 spent"):
        Budget((1000.0, 1000.0), budget=budget).reserve([{"role": "user", "content": "x"}], 1000)


def test_a_budget_without_prices_is_refused() -> None:
    with pytest.raises(UserError, match=r"teacher\.prices"):
        Budget(None, budget=1.0)


def test_a_ledger_bills_answers_and_waste_by_model_and_purpose(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    for i in range(3):
        ledger.put({"i": i}, {"text": "x"}, model="m", purpose="teacher/naive", tokens=(100, 10), cost=0.5)
    ledger.record_discarded("was cut off", model="m", purpose="teacher/naive", tokens=(100, 256), cost=1.0)
    ledger.put({"i": 9}, {"text": "x"}, model="other", purpose="judge", tokens=(7, 1))
    assert ledger.spent("m") == pytest.approx(2.5)
    bill = ledger.bill()
    assert [(row["model"], row["answers"], row["wasted"], row["prompt_tokens"], row["cost"]) for row in bill] == [
        ("m", 3, 1, 400, 2.5),
        ("other", 1, 0, 7, 0.0),
    ]
    assert [row["request"]["i"] for row in ledger.rows()] == [0, 1, 2, 9]


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    Ledger(tmp_path / "l.sqlite").close()
    db = sqlite3.connect(tmp_path / "l.sqlite")
    db.execute("pragma user_version = 1")
    db.close()
    with pytest.raises(UserError, match="version 1"):
        Ledger(tmp_path / "l.sqlite")


@pytest.mark.slow
def test_a_new_ledger_may_be_opened_by_many_processes_at_once(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from empathic.endpoints import ledger; "
        "sys.stdin.read(1); ledger.Ledger(pathlib.Path(sys.argv[1]))"
    )
    for i in range(4):
        path = tmp_path / f"{i}.sqlite"
        opened = [
            subprocess.Popen(
                [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(8)
        ]
        time.sleep(0.5)
        for one in opened:
            assert one.stdin
            one.stdin.write("x")
            one.stdin.flush()
        assert [one.communicate()[1] for one in opened] == [""] * 8
        assert [one.returncode for one in opened] == [0] * 8


def test_a_full_disk_leaves_no_half_of_a_batch(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    full = ledger._db.execute("pragma page_count").fetchone()[0]
    ledger._db.execute(f"pragma max_page_count = {full}")
    with pytest.raises(UserError, match="disk is full"):
        ledger.mark_submitted("b1", "gpt", {f"id{i}": "p" * 500 for i in range(1000)})
    assert ledger.pending_batches("gpt") == {}


@pytest.mark.slow
def test_a_hundred_thousand_answers_open_and_sum_at_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger._db.execute("begin")
    request = {"messages": [{"role": "user", "content": "words " * 40}]}
    for i in range(100_000):
        ledger.put({"i": i, **request}, {"text": "x"}, model=f"m{i % 3}", purpose="p", tokens=(9, 1), cost=0.01)
    ledger._db.execute("commit")
    ledger.close()
    started = time.monotonic()
    again = Ledger(tmp_path / "l.sqlite")
    assert sum(row["answers"] for row in again.bill()) == 100_000
    assert again.spent("m1") == pytest.approx(333.33)
    assert time.monotonic() - started < 2


def test_the_ledger_command_shows_the_bill_and_exports(empathic, refused, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.put({"i": 1}, {"text": "hm"}, model="gpt", purpose="teacher/naive", tokens=(1000, 10), cost=0.25)
    ledger.close()
    shown = empathic("ledger", tmp_path).stdout
    assert "teacher/naive" in shown
    assert "0.2500" in shown
    assert '"text": "hm"' in empathic("ledger", tmp_path / "ledger.sqlite", "--export").stdout
    assert "no ledger there" in refused("ledger", tmp_path / "gone")
