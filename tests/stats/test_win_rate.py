from __future__ import annotations

import numpy
import pytest
from scipy.stats import binomtest
from studies import HONEST, STUDIES, outcomes

from empathic.stats.win_rate import interval, outcome, unanimous, win_rate


@pytest.mark.parametrize(("wins", "n"), [(0, 1), (1, 1), (0, 64), (64, 64), (51, 64), (1, 250), (125, 250)])
def test_the_interval_is_wilsons_as_scipy_has_it(wins: int, n: int) -> None:
    theirs = binomtest(wins, n).proportion_ci(0.95, method="wilson")
    assert interval(wins / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_an_interval_covers_the_truth_about_as_often_as_it_says_with_ties_more() -> None:
    import random

    dice = random.Random(1)
    for shares, truth in (((0.7, 0.3, 0.0), 0.7), ((0.5, 0.1, 0.4), 0.7)):
        covered = 0
        for _ in range(2000):
            drawn = dice.choices((1.0, 0.0, 0.5), shares, k=64)
            rate = win_rate("a", "b", "j", drawn)
            covered += rate.low <= truth <= rate.high
        assert covered / 2000 > 0.935


def test_ties_count_half_and_are_counted() -> None:
    rate = win_rate("dpo", "base", "agreed", [1, 1, 0.5, 0])
    assert (rate.estimate, rate.ties, rate.n) == (0.625, 1, 4)


def test_no_outcomes_give_no_rate() -> None:
    with pytest.raises(ValueError, match="no interval"):
        win_rate("a", "b", "j", [])


def test_agreed_is_a_win_only_where_all_say_so() -> None:
    assert unanimous([1, 1]) == 1
    assert unanimous([0, 0]) == 0
    assert unanimous([1, 0]) == unanimous([1, 0.5]) == unanimous([0.5, 0.5]) == 0.5


def test_equal_scores_tie() -> None:
    assert outcome(1.0, 1.0 + 1e-12) == 0.5
    assert outcome(2.0, 1.0) == 1
    assert outcome(1.0, 2.0) == 0


@pytest.mark.parametrize(("rate", "ties", "n"), [(0.6, 0.0, 250), (0.6, 0.4, 250), (0.85, 0.2, 64), (0.5, 0.8, 100)])
def test_a_win_rates_interval_is_honest_with_and_without_ties(rate: float, ties: float, n: int) -> None:
    studies = outcomes(numpy.random.default_rng(1), rate, ties, (STUDIES, n))
    found = [win_rate("a", "b", "j", list(study)) for study in studies]
    assert HONEST[0] <= sum(one.low <= rate <= one.high for one in found) / STUDIES <= HONEST[1]


def test_all_ties_and_all_wins_are_not_certain() -> None:
    ties, wins = win_rate("a", "b", "j", [0.5] * 50), win_rate("a", "b", "j", [1.0] * 50)
    assert 0 < ties.high - ties.low < 0.06
    assert ties.estimate == 0.5
    assert wins.low < 0.95
