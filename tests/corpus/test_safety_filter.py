"""What the safety filter keeps out of a corpus, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.corpus import safety_filter
from empathic.corpus.rows import Made, example, pair
from empathic.corpus.safety_filter import SafetyFilter, told
from empathic.dialogues import Dialogue, Reply
from empathic.errors import UserError
from empathic.pipeline.plan import plan
from empathic.recipe import Recipe, load_recipe, ready
from empathic.safety.gate import Gate

FELT = "I felt the same when I lost my dog."
GOOD = "That empty basket must be hard to walk past."


def dialogue(said: str, kind: str, human: str = FELT) -> Dialogue:
    return Dialogue("d", said, replies={"kind": Reply(kind), "human": Reply(human)}, split="train")


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        ("My dog is gone.", GOOD, None),
        ("I want to kill myself.", GOOD, "crisis"),
        ("My dog is gone.", FELT, "feeling"),
        ("My dog is gone.", "I am a real person.", "human"),
        ("My dog is gone.", "My wife says the same.", "life"),
    ],
)
def test_targets_and_chosen_replies_are_read(said: str, kind: str, reason: str | None) -> None:
    d, filtered = dialogue(said, kind), SafetyFilter()
    rows = [example(d, "kind"), pair(d, "kind", "human")]
    assert [filtered.reason(row) for row in rows] == [reason, reason]
    kept = [*filtered.watch(Made("sft", "kind", row) for row in rows)]
    assert len(kept) == (0 if reason else 2) and filtered.counts() == ({reason: 2} if reason else {})


def test_a_rejected_reply_may_be_any() -> None:
    assert SafetyFilter().reason(pair(dialogue("My dog is gone.", GOOD), "kind", "human")) is None
    assert SafetyFilter().reason(pair(dialogue("My dog is gone.", GOOD), "human", "kind")) == "feeling"


def test_counts_are_told_in_a_line() -> None:
    assert told({"life": 2, "crisis": 1}) == "3 rows (life 2, crisis 1)"
    assert told({"life": 1}) == "1 row (life 1)" and told({}) == "0 rows"


def test_a_damaged_gate_filters_nothing_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety_filter.Gate, "load", lambda: Gate(None))
    with pytest.raises(UserError, match="damaged"):
        SafetyFilter()


def test_it_is_on_but_in_recipes_whose_figures_are_published() -> None:
    assert Recipe(name="r").corpus.safety_filter
    assert {name for name in ready() if not load_recipe(name).corpus.safety_filter} == {
        *("demo", "direct", "human-improved", "llm-improved", "paper")
    }


def _table(folder: Path, kinds: list[tuple[str, str]]) -> Path:
    rows = [
        {"utterance": said, "replies": {"kind": kind, "human": FELT}, "split": "test" if n == 0 else "train"}
        for n, (said, kind) in enumerate(kinds)
    ]
    files.write_jsonl(folder / "d.jsonl", rows)
    about: dict[str, Any] = {
        "dialogues": {"source": "d.jsonl"},
        "method": {"name": "direct", "teachers": ["kind"], "rejected": ["human"]},
    }
    files.write_json(folder / "r.yaml", about)
    return folder / "r.yaml"


@pytest.mark.parametrize("on", [True, False])
def test_a_run_leaves_out_what_its_plan_said(empathic: Callable[..., Any], tmp_path: Path, on: bool) -> None:
    kinds = [(f"My boat {n} sank.", f"Boat {n}, all gone, after so many years.") for n in range(6)]
    path = _table(tmp_path, [*kinds, ("I want to kill myself.", GOOD), ("My bus was late.", "I felt so sad then.")])
    key = f"corpus.safety_filter={str(on).lower()}"
    line = dict(plan(load_recipe(str(path), [key]), tmp_path / "run"))["corpus"]
    done = empathic("run", path, "--out", tmp_path / "run", "--until", "corpus", "--set", key)
    assert done.returncode == 0, done.stderr
    facts = files.read_json(tmp_path / "run" / "manifest.json")["stages"]["corpus"]["facts"]
    examples = [*files.read_jsonl(tmp_path / "run" / "corpus" / "sft.jsonl")]
    pairs = [*files.read_jsonl(tmp_path / "run" / "corpus" / "preferences.jsonl")]
    if on:
        assert line == "5 SFT examples, 5 preference pairs; left out for safety: 4 rows (crisis 2, feeling 2)"
        assert facts["left_out"] == {"crisis": 2, "feeling": 2} and len(examples) == len(pairs) == 5
        assert "left out for safety: 4 rows" in done.stdout
        assert FELT in {row["rejected"][0]["content"] for row in pairs}
    else:
        assert line == "7 SFT examples, 7 preference pairs" and len(examples) == len(pairs) == 7
        assert facts["left_out"] is None


def test_a_corpus_that_comes_to_nothing_says_what_was_left_out(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = _table(tmp_path, [(f"My boat {n} sank.", f"I felt so sad when boat {n} sank.") for n in range(4)])
    line = refused("run", path, "--out", tmp_path / "run", "--until", "corpus")
    assert "no SFT example" in line and "corpus.safety_filter left out" in line and "feeling" in line
