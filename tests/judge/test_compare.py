from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.cli import tables
from empathic.endpoints.ledger import Ledger
from empathic.judge.compare import compare_files
from empathic.recipe import Judge

SAID = (
    ("I lost my dog today.", "sad", "Your dog!", "Hm."),
    ("I passed the exam.", "proud", "Passed at last, and all that work.", "Good for you."),
    ("The cellar door moved.", "afraid", "I'd have run.", "It was the wind, surely, as it always is."),
    ("Nobody came to my party.", "lonely", "Oh.", "All those chairs."),
)


def _file(path: Path, replies: int, **emotions: str) -> Path:
    """A reply file with the third or fourth column of `SAID`, labelled where `emotions` says so, by id."""
    rows: list[dict[str, Any]] = [
        {"id": f"d{i}", "utterance": row[0], "reply": row[replies], "emotion": emotions.get(f"d{i}", "")}
        for i, row in enumerate(SAID)
    ]
    files.write_jsonl(path, rows if replies == 2 else rows[::-1])
    return path


def _asked(ledger: Path) -> list[str]:
    """What the judge was asked of the dialogues of `SAID`."""
    kept = Ledger(ledger)
    rows = [json.dumps(row) for row in kept.rows()]
    kept.close()
    return [row for row in rows if any(said in row for said, *_ in SAID)]


@pytest.mark.network
def test_what_a_wins_over_b_is_what_b_loses_to_a(tiny_gguf: Path, tmp_path: Path) -> None:
    a = _file(tmp_path / "a.jsonl", 2, d0="sad")
    b = _file(tmp_path / "b.jsonl", 3, d0="sad", d1="proud")
    judge = Judge(endpoint=f"local:{tiny_gguf}", pairwise=True)
    ledger = tmp_path / "ledger.sqlite"
    forth = compare_files(a, b, judge, ledger, tried_on=2)
    asked = _asked(ledger)
    back = compare_files(b, a, judge, ledger, tried_on=2)
    assert _asked(ledger) == asked, "both ways ask the same"
    assert len(forth.win_rates) == 4
    for one, other in zip(forth.win_rates, back.win_rates, strict=True):
        assert (one["a"], one["b"], one["measure"]) == (other["b"], other["a"], other["measure"])
        assert one["estimate"] == pytest.approx(1 - other["estimate"], abs=1e-4)
    for word in ("sad", "proud"):
        assert any(f"feels {word}." in row.split("Reply: ")[-1] for row in asked), "either file's label is told"
    assert {row.system: row for row in forth.hollowness} == {row.system: row for row in back.hollowness}


def test_files_that_differ_in_an_emotion_are_refused(refused, tmp_path: Path) -> None:
    a, b = _file(tmp_path / "a.jsonl", 2, d3="lonely"), _file(tmp_path / "b.jsonl", 3, d3="angry")
    error = refused("compare", a, b)
    assert "b.jsonl: the emotion of id 'd3' is 'angry', and 'lonely' in" in error


@pytest.mark.long
@pytest.mark.network
def test_programs_get_rows_alone_and_what_to_mind_on_stderr(empathic, tiny_gguf: Path, tmp_path: Path) -> None:
    a, b = _file(tmp_path / "mine.jsonl", 2), _file(tmp_path / "theirs.jsonl", 3)
    judge = tmp_path / "qwen-tiny.gguf"
    judge.symlink_to(tiny_gguf)
    asked = ("--judge", f"local:{judge}", "--ledger", tmp_path / "l.sqlite", "--controls", 3, "--json")
    done = empathic("compare", a, b, *asked, "--teacher", "gpt-4o", "--teacher", "qwen2.5-72b")
    assert done.returncode == 0, done.stderr
    rates = json.loads(done.stdout)
    assert set(rates[0]) == {"a", "b", "measure", "estimate", "low", "high", "ties", "n"}
    assert "* behaviours failed the control: another" in done.stderr
    assert "the teacher qwen2.5-72b are both Qwen models" in done.stderr and "gpt-4o" not in done.stderr


def test_people_get_rates_at_equal_lengths_and_what_to_mind(capsys) -> None:
    row = {"a": "a", "b": "b", "estimate": 0.5, "low": 0.4, "high": 0.6, "ties": 0, "n": 9}
    rows = [{**row, "measure": name} for name in ("behaviours", "specificity", "agreed")]
    level = [
        {**rows[0], "estimate": 0.61, "extrapolated": False},
        {**rows[1], "estimate": 0.12, "extrapolated": True},
        {**rows[2], "estimate": None, "low": None, "high": None, "extrapolated": True},
    ]
    kin = [{"judge": "one", "teacher": "gpt-4o", "family": "GPT"}]
    tables.rates(rows, {"agreed": ["stock"]}, kin, level)
    shown = " ".join(capsys.readouterr().out.split())
    assert "61% (40 to 60)" in shown and shown.count("beyond the lengths seen") == 2 and "12%" not in shown
    assert "* agreed failed the control: stock" in shown and "both GPT models" in shown
    tables.rates(rows)
    plain = capsys.readouterr().out
    assert "equal" not in plain and "mind" not in plain


def test_a_matrix_says_what_to_mind_in_which_cell(capsys, tmp_path: Path) -> None:
    rate = {"a": "dpo", "b": "base", "measure": "agreed", "estimate": 0.7, "low": 0.6, "high": 0.8, "ties": 0, "n": 9}
    kin = [{"judge": "one", "teacher": "gpt-4o", "family": "GPT"}]
    plain = {"win_rates": [rate], "failed": {"agreed": []}, "one_family": []}
    rows = [{"cell": "direct", **plain}, {"cell": "naive", **plain, "failed": {"agreed": ["stock"]}, "one_family": kin}]
    tables.matrix(rows, tmp_path)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("70% (60 to 80) *") == 1
    assert "* agreed failed the control: stock (naive)" in shown
    assert "the judge one and the teacher gpt-4o are both GPT models" in shown and "themselves (naive)" in shown
    tables.matrix([{**row, "one_family": kin} for row in rows], tmp_path)
    assert "themselves (" not in " ".join(capsys.readouterr().out.split()), "said once where it holds for all"


def _reply_file(path: Path, replies: list[str]) -> Path:
    said = [f"I lost my {thing} today." for thing in ("dog", "job", "keys", "hat")]
    rows = [{"id": f"d{i}", "utterance": u, "reply": r} for i, (u, r) in enumerate(zip(said, replies, strict=True))]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.network
def test_compare_judges_any_two_reply_files(empathic, tiny_gguf: Path, tmp_path: Path) -> None:
    a = _reply_file(tmp_path / "mine.jsonl", ["Your dog!", "Your job!", "Your keys!", "Your hat!"])
    b = _reply_file(tmp_path / "theirs.jsonl", ["Hm.", "Oh.", "Well.", ""])
    settings = ("--judge", f"local:{tiny_gguf}", "--ledger", tmp_path / "l.sqlite", "--controls", 3)
    done = empathic("compare", a, b, *settings, "--json")
    assert done.returncode == 0, done.stderr
    rates = json.loads(done.stdout)
    assert [(r["a"], r["b"], r["measure"], r["n"]) for r in rates] == [
        ("mine", "theirs", measure, 4) for measure in ("behaviours", "specificity", "agreed")
    ]
    same = empathic("compare", a, a, *settings, "--json")
    assert all(r["estimate"] == 0.5 and r["ties"] == 4 for r in json.loads(same.stdout))
    shown = empathic("compare", a, b, *settings)
    assert "* behaviours failed the control: another" in shown.stdout, "three dialogues prove nothing"
    assert re.search(r"words in a reply +2 +1\n", shown.stdout)


@pytest.mark.slow
def test_reply_files_that_cannot_be_compared_are_refused(refused, tmp_path: Path) -> None:
    a = _reply_file(tmp_path / "a.jsonl", ["1", "2", "3", "4"])
    (tmp_path / "other.jsonl").write_text(a.read_text(encoding="utf-8").replace('"d3"', '"d9"'), encoding="utf-8")
    assert "same dialogues" in refused("compare", a, tmp_path / "other.jsonl")
    (tmp_path / "twice.jsonl").write_text(a.read_text(encoding="utf-8").replace('"d3"', '"d0"'), encoding="utf-8")
    assert "twice.jsonl:4" in refused("compare", a, tmp_path / "twice.jsonl")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    assert "empty.jsonl" in refused("compare", a, tmp_path / "empty.jsonl")
    (tmp_path / "lacks.jsonl").write_text('{"id": "d0", "text": "x"}\n', encoding="utf-8")
    assert "lacks.jsonl:1" in refused("compare", a, tmp_path / "lacks.jsonl")
    assert "no such" in refused("compare", a, tmp_path / "gone.jsonl").lower()
    ledger = ("--ledger", tmp_path / "l.sqlite")
    assert "not an endpoint" in refused("compare", a, a, *ledger, "--judge", "qwen")
    assert "did you mean" in refused("compare", a, a, *ledger, "--judge", "local:qwen2.5-coder")
