from __future__ import annotations

import json
from pathlib import Path

import pytest

from empathic.teacher.refusals import MODEL, REFUSES, TASK, fault

EXAM = Path(__file__).parent / "data" / "refusals.jsonl"


@pytest.mark.parametrize(
    ("half", "missed", "alarms"),
    [(0, 0, 0), (1, 20, 0)],  # of 122 and 118 bad ones, 118 and 122 replies; the rules were written on the first half
    ids=["seen", "held out"],
)
def test_refusals_are_found_and_replies_are_not(half: int, missed: int, alarms: int) -> None:
    rows = [json.loads(line) for line in EXAM.read_text(encoding="utf-8").splitlines()][half::2]
    assert len(rows) == 240
    assert sum(not fault(row["reply"]) for row in rows if row["bad"]) <= missed
    assert sum(bool(fault(row["reply"])) for row in rows if not row["bad"]) <= alarms


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("I\u2019m sorry, but I\u2019m unable to provide the help that you need.", REFUSES),
        ("Lo siento, no puedo ayudarte con eso.", REFUSES),
        ("Es tut mir leid, aber dabei kann ich nicht helfen.", REFUSES),
        ("As a language model, I have no dog.", MODEL),
        ("The sender feels guilty. A short reply would comfort them.", TASK),
        ('She said "I can\'t help you" and hung up. That stings.', ""),
        ("I can't help smiling at that puppy of yours.", ""),
    ],
)
def test_why_it_is_no_reply(answer: str, why: str) -> None:
    assert fault(answer) == why
