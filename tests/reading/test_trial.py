"""Measures held against readers: what they would send, and which of two replies is better."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from empathic import files
from empathic.errors import UserError
from empathic.judge import classifier
from empathic.judge.measures import epitome
from empathic.reading import trial
from empathic.reading.readings import Reading
from empathic.reading.rubric import Grades

THINGS = ("kettle", "tractor", "violin", "harbour", "lantern", "bicycle", "orchard", "letter", "ladder", "window")


def _readings(n: int = 40) -> list[Reading]:
    """Two replies to each of so many messages: the one that names the thing is to be sent, the other isn't."""
    rows = []
    for i in range(n):
        thing = THINGS[i % len(THINGS)]
        said = f"My {thing} number {i} is gone."
        rows.append(Reading("kind", f"d{i}", said, f"What a sad loss, that {thing}.", Grades(2, 2, 2, True), "Ada"))
        rows.append(Reading("dull", f"d{i}", said, "Noted.", Grades(0, 0, 1, False), "Ada"))
    return rows


def test_scores_that_know_what_to_send_are_told_from_those_that_do_not() -> None:
    read = _readings()
    right = trial.trial(read, [float(one.grades.send) for one in read])
    assert right.send and right.better
    assert right.send.estimate == right.better.estimate == 1 and right.better.n == 40
    assert right.systems == {}, "a system whose replies are all alike has nothing to tell apart"
    wrong = trial.trial(read, [-float(one.grades.send) for one in read])
    assert wrong.send and wrong.send.estimate == 0
    alike = trial.trial(read[::2], [0.5] * 40)
    assert alike.send is None and alike.better is None


def test_no_message_is_both_learnt_from_and_held_out() -> None:
    read = _readings(200)
    parts = [trial.held_out(read), trial.to_learn(read, 1), trial.to_learn(read, 2)]
    messages = [{one.utterance for one in part} for part in parts]
    assert sum(map(len, parts)) == len(read) and all(messages)
    assert not (messages[0] & messages[1] or messages[1] & messages[2] or messages[0] & messages[2])
    assert trial.part_of("I  won!") == trial.part_of("i won!\n")


def test_a_reply_counts_once_and_one_without_its_message_not_at_all() -> None:
    read = _readings(2)
    hidden = Reading("kind", "x", "", "Oh.", Grades(1, 1, 1, False), "Ada")
    assert trial.readable([*read, *read, hidden]) == read
    with pytest.raises(UserError, match="their messages"):
        trial.readable([hidden])


@pytest.mark.long
@pytest.mark.slow
def test_a_scorer_learns_from_readings_and_is_held_against_others(
    empathic, refused, tiny: Path, tiny_gguf: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "readings.jsonl", tmp_path / "reader"
    files.write_jsonl(path, (one.to_row() for one in _readings()))
    asked = ("judge", "train", "readings", path, "--out", out, "--model", tiny, "--epochs", 12, "--json")
    found = json.loads(empathic(*asked).stdout)
    assert found["send"]["estimate"] > 0.9 and found["better"]["estimate"] > 0.9
    shown = empathic("judge", "agreement", "readings", path, "--scorer", out)
    assert shown.returncode == 0 and "better of two" in shown.stdout
    assert json.loads((out / "errors.json").read_text())["wins"] > 0
    with pytest.raises(UserError, match="want one of emotional_reactions"):
        classifier.check(out, epitome.HEADS)
    learnt = tmp_path / "learnt.jsonl"
    files.write_jsonl(learnt, (one.to_row() for one in trial.to_learn(_readings())))
    assert "learnt from all messages" in refused("judge", "agreement", "readings", learnt, "--scorer", out)
    assert "no readings" in refused("judge", "agreement", "readings")


@pytest.mark.network
def test_a_judge_is_held_against_readings(empathic, tiny_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    files.write_jsonl(path, (one.to_row() for one in _readings(3)))
    asked = ("--judge", f"local:{tiny_gguf}", "--ledger", tmp_path / "l.sqlite", "--json")
    found = json.loads(empathic("judge", "agreement", "readings", path, *asked).stdout)
    assert set(found) == {"behaviours", "specificity"}
    assert all(of["send"]["n"] == 6 and of["better"]["n"] == 3 for of in found.values())
