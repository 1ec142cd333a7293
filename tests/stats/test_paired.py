"""Differences of two win rates, against simulated systems of known skill."""

from __future__ import annotations

import itertools
import math

import numpy
import pytest
from scipy.stats import binomtest
from studies import HONEST, STUDIES, outcomes

from empathic.stats.paired import Difference, clustered_difference, paired_difference
from empathic.stats.win_rate import Z


def _halves(differences: numpy.ndarray) -> tuple[dict[int, float], dict[int, float]]:
    """Outcomes of two systems that differ by so much, dialogue by dialogue."""
    first = (differences > 0).astype(float)
    return dict(enumerate(first)), dict(enumerate(first - differences))


DIFFERENCES = {  # shares of -1, -0.5, 0, 0.5 and 1
    "dense": (0.2, 0.0, 0.5, 0.0, 0.3),
    "dense, with ties": (0.1, 0.2, 0.3, 0.25, 0.15),
    "far apart": (0.02, 0.03, 0.25, 0.2, 0.5),
    "sparse": (0.03, 0.0, 0.85, 0.0, 0.12),
    "sparse, with ties": (0.01, 0.03, 0.85, 0.08, 0.03),
    "sparse and level": (0.03, 0.0, 0.94, 0.0, 0.03),
    "sparse, level, with ties": (0.03, 0.06, 0.82, 0.06, 0.03),
}


@pytest.mark.parametrize("n", [32, 64, 100, 250])
@pytest.mark.parametrize("setting", DIFFERENCES)
@pytest.mark.slow
def test_a_paired_differences_interval_is_honest_and_of_one_mind_with_its_p(setting: str, n: int) -> None:
    dice, shares, values = numpy.random.default_rng(3), DIFFERENCES[setting], numpy.arange(-2, 3) / 2
    truth, covered = float(shares @ values), 0
    for _ in range(STUDIES):
        found = paired_difference(*_halves(dice.choice(values, p=shares, size=n)))
        covered += found.low <= truth <= found.high
        assert found.low < found.high and found.low <= found.estimate <= found.high
        assert found.low <= 0 <= found.high if found.p >= 0.05 else found.low >= 0 or found.high <= 0
    few = "level" in setting or n * (1 - shares[2]) < 20  # an exact test of few, or at no difference, is a strict one
    assert HONEST[0] <= covered / STUDIES <= (1 if few else HONEST[1])


@pytest.mark.parametrize("ties", [0.0, 0.3])
def test_what_makes_a_dialogue_hard_for_both_falls_out_of_a_difference(ties: float) -> None:
    dice, covered, rejected = numpy.random.default_rng(9), 0, 0
    for _ in range(STUDIES):
        hard = dice.random(120) < 0.5
        first = numpy.where(hard, outcomes(dice, 0.5, ties, (120,)), outcomes(dice, 0.8, ties, (120,)))
        second = numpy.where(hard, outcomes(dice, 0.4, ties, (120,)), outcomes(dice, 0.7, ties, (120,)))
        found = paired_difference(dict(enumerate(first)), dict(enumerate(second)))
        covered += found.low <= 0.1 <= found.high
        rejected += found.p < 0.05
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]
    assert 0.1 < rejected / STUDIES < 0.9


def test_a_difference_over_faults_is_one_by_dialogue() -> None:
    dice, covered, faults = numpy.random.default_rng(4), 0, 8
    for _ in range(STUDIES):
        skill = numpy.clip(dice.normal(0.7, 0.2, (32, 1)), 0, 1)  # some dialogues are hard for one way of asking alone
        first = (dice.random((32, faults)) < skill).astype(float)
        second = (dice.random((32, faults)) < 0.6).astype(float)
        found = clustered_difference(dict(enumerate(first)), dict(enumerate(second)))
        covered += found.low <= 0.0943 <= found.high  # clipping takes 0.0057 off
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]
    level = clustered_difference({1: [1.0, 0.5], 2: [1.0, 0.5]}, {1: [1.0, 0.0], 2: [1.0, 0.0]})
    assert (level.estimate, level.low, level.high, level.p) == (0.25, -1, 1, 1)


def test_few_dialogues_that_differ_are_not_certain() -> None:
    def lost(dialogues: int) -> Difference:
        return paired_difference(*_halves(numpy.array([-1.0] * dialogues + [0.0] * (32 - dialogues))))

    none, some, five, six = lost(0), lost(3), lost(5), lost(6)
    assert none.high == -none.low == pytest.approx(Z**2 / (32 + Z**2)) and none.p == 1
    assert some.p == pytest.approx(0.25) and -0.25 < some.low < -0.2 and 0.02 < some.high < 0.03
    assert five.p == pytest.approx(0.0625) and five.high == 0
    assert six.p == pytest.approx(0.03125) and six.high < -0.05
    assert -1 <= lost(32).low < lost(32).high < -0.7


@pytest.mark.parametrize(("won", "lost", "n"), [(12, 2, 50), (30, 9, 100), (40, 0, 64)])
def test_the_interval_of_wins_and_losses_is_tangos(won: int, lost: int, n: int) -> None:
    def score(supposed: float) -> float:
        a, b, c = 2 * n, (2 * n - won + lost) * supposed - won - lost, -lost * supposed * (1 - supposed)
        other = (math.sqrt(b * b - 4 * a * c) - b) / (2 * a)
        return (won - lost - n * supposed) / math.sqrt(n * (2 * other + supposed * (1 - supposed)))

    found = paired_difference(*_halves(numpy.array([1.0] * won + [-1.0] * lost + [0.0] * (n - won - lost))))
    assert [score(found.low), score(found.high)] == pytest.approx([Z, -Z], abs=1e-3)


def test_no_difference_is_found_five_times_in_a_hundred() -> None:
    dice, found = numpy.random.default_rng(4), 0
    for _ in range(STUDIES):
        first, second = (dict(enumerate(outcomes(dice, 0.7, 0.2, (60,)))) for _ in range(2))
        found += paired_difference(first, second).p < 0.05
    assert 0.03 < found / STUDIES < 0.07


def test_p_is_that_of_mcnemars_exact_test_and_of_all_signs_at_once() -> None:
    first = {str(i): float(i < 12) for i in range(20)}
    second = {str(i): float(i < 3 or i == 19) for i in range(20)}
    assert paired_difference(first, second).p == pytest.approx(binomtest(9, 10).pvalue)
    halves = numpy.array([1, 0.5, -0.5, 0.5, 1, 0.5, -1, 0.5, 1, 0])
    signs = numpy.array(list(itertools.product((-1, 1), repeat=9)))
    all_ = abs(signs @ abs(halves[:9])) >= halves.sum()
    assert paired_difference(*_halves(halves)).p == pytest.approx(all_.mean())
    with pytest.raises(ValueError, match="over 1"):
        paired_difference({"a": 1.0}, {"a": 0.0})
