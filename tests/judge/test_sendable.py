"""The share of replies to be sent, corrected by a scorer's errors."""

from __future__ import annotations

import pytest

from empathic.judge.scores import ScoreRow, Scores
from empathic.judge.sendable import errors_of, sendable
from empathic.stats.corrected import Labelled

ERRORS = Labelled(wins=200, wins_seen=160, losses=300, losses_seen=270)


def _scores(**shares: int) -> Scores:
    return Scores(
        ScoreRow("reading", "", system, f"d{i}", "send", 0.9 if i < sent else 0.2)
        for system, sent in shares.items()
        for i in range(100)
    )


def test_a_rate_is_corrected_by_what_the_scorer_gets_wrong() -> None:
    rows = {row.system: row for row in sendable(_scores(sft=38, base=10), ["sft", "base", "other"], ERRORS)}
    assert set(rows) == {"sft", "base"}, "a system without scores has no row"
    assert rows["sft"].said == 0.38 and rows["sft"].estimate == pytest.approx((0.38 + 0.9 - 1) / (0.8 + 0.9 - 1))
    assert rows["base"].estimate == pytest.approx(0)
    assert all(row.low <= row.estimate <= row.high for row in rows.values())
    assert rows["sft"].high - rows["sft"].low > 0.2, "wider than a rate of 100 read replies"


def test_a_scorer_of_unknown_or_no_worth_says_no_rate() -> None:
    assert sendable(_scores(sft=50), ["sft"], None) == []
    assert sendable(_scores(sft=50), ["sft"], Labelled(10, 5, 10, 5)) == []


def test_errors_are_counted_on_both_sides() -> None:
    found = errors_of([True, True, False, False, False], [0.9, 0.4, 0.5, 0.2, 0.1])
    assert found == Labelled(wins=2, wins_seen=1, losses=3, losses_seen=2)


def test_messages_that_the_scorer_learnt_from_count_for_nothing() -> None:
    learnt = {f"d{i}" for i in range(38)}
    (row,) = sendable(_scores(sft=38), ["sft"], ERRORS, learnt)
    assert (row.n, row.said) == (62, 0.0)
