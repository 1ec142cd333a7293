from __future__ import annotations

import json
from pathlib import Path

import pytest

from empathic.teacher.refusals import MODEL, REFUSES, TASK, fault

DATA = Path(__file__).parent / "data"
EXAM = DATA / "refusals.jsonl"


@pytest.mark.parametrize(
    ("half", "missed", "alarms"),
    [(0, 4, 0), (1, 12, 1)],  # of 122 and 118 bad ones, 118 and 122 replies; the rules were written on the first half
    ids=["seen", "held out"],
)
def test_refusals_are_found_and_replies_are_not(half: int, missed: int, alarms: int) -> None:
    rows = [json.loads(line) for line in EXAM.read_text(encoding="utf-8").splitlines()][half::2]
    assert len(rows) == 240
    assert sum(not fault(row["reply"]) for row in rows if row["bad"]) <= missed
    assert sum(bool(fault(row["reply"])) for row in rows if not row["bad"]) <= alarms


@pytest.mark.parametrize(
    ("name", "missed", "alarms"),
    # of 5,252 refusals and 5,390 replies; 260 and 260 as models usually answer; 200 and 200 that are hard to tell
    [("refusals-written", 106, 1), ("refusals-held", 7, 2), ("refusals-hard", 4, 8)],
)
def test_refusals_in_thirteen_languages(name: str, missed: int, alarms: int) -> None:
    rows = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["language"] for row in rows} >= {"en", "zh", "hi", "es", "fr", "ar", "bn", "pt", "ru", "ur"}
    assert sum(not fault(row["text"]) for row in rows if row["refusal"]) <= missed
    assert sum(bool(fault(row["text"])) for row in rows if not row["refusal"]) <= alarms


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("I\u2019m sorry, but I\u2019m unable to provide the help that you need.", REFUSES),
        ("Lo siento, no puedo ayudarte con eso.", REFUSES),
        ("Es tut mir leid, aber dabei kann ich nicht helfen.", REFUSES),
        ("As a language model, I have no dog.", MODEL),
        ("मैं इस तरह के संदेश का जवाब नहीं दे सकता।", REFUSES),
        ('{"reply": null, "reason": "declined"}', REFUSES),
        ("*nods slowly*", REFUSES),
        ("<think>The person lost a cat. I should", TASK),
        ("The sender feels guilty. A short reply would comfort them.", TASK),
        ('She said "I can\'t help you" and hung up. That stings.', ""),
        ("I can't help smiling at that puppy of yours.", ""),
    ],
)
def test_why_it_is_no_reply(answer: str, why: str) -> None:
    assert fault(answer) == why
