"""Intervals against simulated judges of known skill, bias and tie rate: a thousand studies each."""

from __future__ import annotations

import math

import numpy
import pytest
from scipy.stats import binomtest

from empathic.judge.corrected import Labelled, corrected
from empathic.judge.length import length_controlled
from empathic.judge.paired import difference
from empathic.judge.power import smallest_difference, smallest_rate
from empathic.judge.winrate import win_rate

STUDIES = 1000
HONEST = (0.93, 0.97)  # how often a 95% interval may cover the truth


def _outcomes(dice: numpy.random.Generator, rate: float, ties: float, size: tuple[int, ...]) -> numpy.ndarray:
    """Outcomes with a mean of `rate` and a share of ties."""
    return dice.choice([1.0, 0.5, 0.0], p=[rate - ties / 2, ties, 1 - rate - ties / 2], size=size)


@pytest.mark.parametrize(("rate", "ties", "n"), [(0.6, 0.0, 250), (0.6, 0.4, 250), (0.85, 0.2, 64), (0.5, 0.8, 100)])
def test_a_win_rates_interval_is_honest_with_and_without_ties(rate: float, ties: float, n: int) -> None:
    studies = _outcomes(numpy.random.default_rng(1), rate, ties, (STUDIES, n))
    found = [win_rate("a", "b", "j", list(study)) for study in studies]
    assert HONEST[0] <= sum(one.low <= rate <= one.high for one in found) / STUDIES <= HONEST[1]


def test_all_ties_and_all_wins_are_not_certain() -> None:
    ties, wins = win_rate("a", "b", "j", [0.5] * 50), win_rate("a", "b", "j", [1.0] * 50)
    assert 0 < ties.high - ties.low < 0.06
    assert ties.estimate == 0.5
    assert wins.low < 0.95


def test_a_judge_that_goes_by_position_gives_one_half() -> None:
    dice = numpy.random.default_rng(2)
    shown_first = dice.random(250) < 0.5
    both_orders = [0.5 for _ in shown_first]  # it contradicts itself, which is a tie
    assert win_rate("a", "b", "j", both_orders).estimate == 0.5


@pytest.mark.parametrize("ties", [0.0, 0.3])
def test_a_paired_differences_interval_is_honest(ties: float) -> None:
    dice = numpy.random.default_rng(3)
    covered, rejected = 0, 0
    ids = [str(i) for i in range(120)]

    def of(drawn: numpy.ndarray) -> dict[str, float]:
        return dict(zip(ids, drawn, strict=True))

    for study in range(STUDIES):
        hard = dice.random(len(ids)) < 0.5  # dialogues on which both lose more often
        first = numpy.where(hard, _outcomes(dice, 0.5, ties, (120,)), _outcomes(dice, 0.8, ties, (120,)))
        second = numpy.where(hard, _outcomes(dice, 0.4, ties, (120,)), _outcomes(dice, 0.7, ties, (120,)))
        found = difference(of(first), of(second), study, 499)
        covered += found.low <= 0.1 <= found.high
        rejected += found.p < 0.05
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]
    assert 0.1 < rejected / STUDIES < 0.9


def test_no_difference_is_found_five_times_in_a_hundred() -> None:
    dice, found = numpy.random.default_rng(4), 0
    for study in range(STUDIES):
        first, second = (dict(enumerate(_outcomes(dice, 0.7, 0.2, (60,)))) for _ in range(2))
        found += difference(first, second, study, 499).p < 0.05
    assert 0.03 < found / STUDIES < 0.07


def test_wins_and_losses_alone_are_mcnemars_test() -> None:
    first = {str(i): float(i < 12) for i in range(20)}
    second = {str(i): float(i < 3 or i == 19) for i in range(20)}
    exact = binomtest(9, 10).pvalue
    assert difference(first, second).p == pytest.approx(exact, abs=0.005)
    assert difference(first, first).p == 1
    with pytest.raises(ValueError, match="over 1"):
        difference({"a": 1.0}, {"a": 0.0})


@pytest.mark.parametrize(("skill", "love", "shift"), [(0.5, 0.0, 0.0), (0.4, 2.0, 0.5), (-0.3, 1.0, -0.5)])
def test_a_length_controlled_rates_interval_is_honest(skill: float, love: float, shift: float) -> None:
    dice, truth = numpy.random.default_rng(5), 1 / (1 + math.exp(-skill))
    covered = 0
    for _ in range(STUDIES):
        longer = dice.normal(10 * shift, 10, 250)
        chance = 1 / (1 + numpy.exp(-(skill + love * numpy.tanh(longer / numpy.sqrt((longer**2).mean())))))
        won = (dice.random(250) < chance).astype(float)
        found = length_controlled("a", "b", "j", list(won), list(longer))
        covered += found.low <= truth <= found.high
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]


@pytest.mark.parametrize("mean", [-8.0, 0.0, 8.0])
def test_a_judge_that_loves_length_alone_is_level_after_the_control(mean: float) -> None:
    dice = numpy.random.default_rng(6)
    plain, found = [], []
    for _ in range(200):
        longer = dice.normal(mean, 10, 250)
        won = list((longer > 0).astype(float))
        plain.append(win_rate("a", "b", "j", won).estimate)
        found.append(length_controlled("a", "b", "j", won, list(longer)))
    assert 0.45 <= numpy.mean([one.estimate for one in found]) <= 0.55
    assert numpy.mean([one.low <= 0.5 <= one.high for one in found]) > 0.85, "no logistic judge: a little too sure"
    assert mean == 0 or abs(numpy.mean(plain) - 0.5) > 0.25, "without the control it is far off"


def test_equal_lengths_leave_the_rate_and_a_clean_sweep_is_finite() -> None:
    won = [1.0] * 30 + [0.0] * 10
    assert length_controlled("a", "b", "j", won, [0.0] * 40).estimate == pytest.approx(0.75, abs=1e-3)
    sweep = length_controlled("a", "b", "j", [1.0] * 40, [float(i % 7) for i in range(40)])
    assert sweep.low < 0.9 < sweep.estimate < 1
    with pytest.raises(ValueError, match="lengths"):
        length_controlled("a", "b", "j", [1.0], [])


@pytest.mark.parametrize(("truth", "sees", "rejects"), [(0.7, 0.9, 0.8), (0.5, 0.75, 0.75), (0.9, 0.95, 0.7)])
def test_a_corrected_rates_interval_is_honest_and_wider(truth: float, sees: float, rejects: float) -> None:
    dice = numpy.random.default_rng(7)
    covered, wider = 0, 0
    for _ in range(STUDIES):
        won = dice.binomial(250, truth * sees + (1 - truth) * (1 - rejects))
        labelled = Labelled(150, dice.binomial(150, sees), 150, dice.binomial(150, rejects))
        found = corrected(won, 250, labelled)
        covered += found.low <= truth <= found.high
        plain = win_rate("a", "b", "j", [1.0] * won + [0.0] * (250 - won))
        wider += found.high - found.low > plain.high - plain.low
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]
    assert wider > 0.95 * STUDIES


def test_a_judge_no_better_than_a_coin_can_not_be_corrected() -> None:
    with pytest.raises(ValueError, match="tells nothing"):
        corrected(100, 200, Labelled(50, 25, 50, 25))
    with pytest.raises(ValueError, match="labelled"):
        corrected(100, 200, Labelled(0, 0, 50, 25))


@pytest.mark.parametrize("ties", [0.0, 0.4])
def test_what_the_power_promises_is_found_so_often(ties: float) -> None:
    dice, n = numpy.random.default_rng(8), 250
    rate = smallest_rate(n, ties)
    studies = _outcomes(dice, rate, ties, (STUDIES, n))
    found = sum(win_rate("a", "b", "j", list(study)).low > 0.5 for study in studies) / STUDIES
    assert 0.74 < found < 0.86
    assert smallest_difference(n, ties, alike=0.0) > smallest_difference(n, ties, alike=0.8)
    assert smallest_rate(4 * n) - 0.5 == pytest.approx((smallest_rate(n) - 0.5) / 2)
    with pytest.raises(ValueError, match="no power"):
        smallest_rate(0)
