"""Win rates at equal lengths, against simulated judges that love length."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
from studies import HONEST, STUDIES

from empathic.stats.length import length_controlled


@pytest.mark.parametrize(("skill", "love", "shift"), [(0.5, 0.0, 0.0), (0.4, 2.0, 0.5), (-0.3, 1.0, -0.5)])
def test_a_length_controlled_rates_interval_is_honest(skill: float, love: float, shift: float) -> None:
    dice, truth = numpy.random.default_rng(5), 1 / (1 + math.exp(-skill))
    covered = 0
    for _ in range(STUDIES):
        longer = dice.normal(10 * shift, 10, 250)
        chance = 1 / (1 + numpy.exp(-(skill + love * numpy.tanh(longer / longer.std()))))
        won = (dice.random(250) < chance).astype(float)
        low, _, high = _at_equal_lengths(won, longer)
        covered += low <= truth <= high
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]


def _at_equal_lengths(won: numpy.ndarray, longer: numpy.ndarray) -> tuple[float, float, float]:
    """Its lower bound, the rate, its upper bound."""
    found = length_controlled("a", "b", "j", list(won), list(longer))
    assert found.low is not None and found.estimate is not None and found.high is not None
    assert not found.extrapolated
    return found.low, found.estimate, found.high


LOVERS = {  # what judges that go by length alone make of so many words more; at equal lengths they know no better
    "the longer": lambda dice, words: (numpy.sign(words) + 1) / 2,
    "the longer, level within four words": lambda dice, words: (numpy.sign(words) * (abs(words) > 4) + 1) / 2,
    "the longer, absent at times": lambda dice, words: numpy.where(
        dice.random(len(words)) < 0.1, dice.random(len(words)) < 0.5, (numpy.sign(words) + 1) / 2
    ),
    "by the word, with ties": lambda dice, words: numpy.where(
        dice.random(len(words)) < 0.3, 0.5, dice.normal(size=len(words)) < words / 5
    ),
}


@pytest.mark.parametrize("n", [64, 250])
@pytest.mark.parametrize("mean", [-8, 0, 8])
@pytest.mark.parametrize("lover", LOVERS)
def test_a_judge_that_loves_length_alone_is_level_after_the_control(lover: str, mean: int, n: int) -> None:
    dice = numpy.random.default_rng(6)
    plain: list[Any] = []
    found: list[Any] = []
    while len(found) < 200:
        longer = numpy.round(dice.normal(mean, 10, n))
        if min((longer > 0).sum(), (longer < 0).sum()) >= n / 10:
            won = LOVERS[lover](dice, longer)
            plain.append(won.mean())
            found.append(_at_equal_lengths(won, longer))
    assert 0.45 <= numpy.mean([rate for _, rate, _ in found]) <= 0.55
    assert numpy.mean([low <= 0.5 <= high for low, _, high in found]) > 0.85, "no logistic judge: a little too sure"
    assert mean == 0 or abs(numpy.mean(plain) - 0.5) > 0.15, "without the control it is far off"


@pytest.mark.parametrize(("mean", "spread"), [(-20, 10), (-60, 30), (20, 10)])
def test_no_rate_at_equal_lengths_is_made_up_where_one_side_is_nearly_always_longer(mean: int, spread: int) -> None:
    dice = numpy.random.default_rng(6)
    for n in (64, 250):
        longer = dice.normal(mean, spread, n)
        row = length_controlled("a", "b", "j", list((longer > 0).astype(float)), list(longer)).to_row()
        assert row["extrapolated"] is True and row["n"] == n
        assert row["estimate"] is row["low"] is row["high"] is None
    assert length_controlled("a", "b", "j", [1.0] * 20, [-3.0] * 4 + [5.0] * 16).extrapolated
    assert not length_controlled("a", "b", "j", [1.0] * 20, [-3.0] * 4 + [0.0] + [5.0] * 15).extrapolated


def test_equal_lengths_leave_the_rate_and_a_clean_sweep_is_finite() -> None:
    won = [1.0] * 30 + [0.0] * 10
    assert length_controlled("a", "b", "j", won, [0.0] * 40).estimate == pytest.approx(0.75, abs=1e-3)
    low, rate, _ = _at_equal_lengths(numpy.ones(40), numpy.arange(40.0) % 7)
    assert low < 0.9 < rate < 1
    with pytest.raises(ValueError, match="lengths"):
        length_controlled("a", "b", "j", [1.0], [])
