"""What a number of dialogues shows, against simulated studies and published formulas."""

from __future__ import annotations

import math

import numpy
import pytest
from scipy.stats import norm
from studies import STUDIES, outcomes

from empathic.stats.paired import paired_difference
from empathic.stats.power import min_detectable_difference, min_detectable_win_rate
from empathic.stats.win_rate import Z, win_rate


@pytest.mark.parametrize("n", [64, 250])
@pytest.mark.parametrize("ties", [0.0, 0.4])
def test_the_smallest_rate_is_found_as_often_as_promised(ties: float, n: int) -> None:
    dice = numpy.random.default_rng(8)
    studies = outcomes(dice, min_detectable_win_rate(n, ties), ties, (STUDIES, n))
    found = sum(win_rate("a", "b", "j", list(study)).low > 0.5 for study in studies) / STUDIES
    assert 0.74 < found < 0.86


@pytest.mark.parametrize(
    "n", [32, pytest.param(100, marks=pytest.mark.slow), pytest.param(250, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("ties", "correlation"), [(0.0, 0.0), (0.0, 0.5), (0.4, 0.5)])
def test_the_smallest_difference_is_found_as_often_as_promised(ties: float, correlation: float, n: int) -> None:
    dice, found = numpy.random.default_rng(8), 0
    step = min_detectable_difference(n, ties, correlation) / 2 / (1 - correlation)
    for _ in range(STUDIES):
        same, shared = dice.random(n) < correlation, outcomes(dice, 0.5, ties, (n,))
        first, second = (numpy.where(same, shared, outcomes(dice, 0.5 + s, ties, (n,))) for s in (step, -step))
        found += paired_difference(dict(enumerate(first)), dict(enumerate(second))).p < 0.05
    assert 0.74 < found / STUDIES < 0.86


def test_what_power_names_fulfils_the_published_formulas() -> None:
    """As many dialogues as Lemeshow et al., or Connor, ask for to find an effect are those that it was named for."""

    def asked_for(effect: float, square: float, power: float) -> float:
        beta = norm.ppf(power)
        return ((Z * math.sqrt(square) + beta * math.sqrt(square - effect**2)) / effect) ** 2

    for n, power in ((40, 0.8), (250, 0.8), (250, 0.3), (1000, 0.95)):
        assert asked_for(min_detectable_win_rate(n, power=power) - 0.5, 0.25, power) == pytest.approx(n)
        assert asked_for(
            min_detectable_difference(n, correlation=0.5, power=power) - 1 / n, 0.25, power
        ) == pytest.approx(n)
    assert min_detectable_difference(250, correlation=0.0) > min_detectable_difference(250, correlation=0.8)
    assert min_detectable_win_rate(250) > min_detectable_win_rate(250, ties=0.4)
    assert min_detectable_win_rate(1) == min_detectable_difference(1) == 1, "one dialogue shows nothing"
    with pytest.raises(ValueError, match="no power"):
        min_detectable_win_rate(0)
    with pytest.raises(ValueError, match="no power"):
        min_detectable_difference(250, power=1.0)
