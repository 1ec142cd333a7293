"""Corrected win rates with ties: a thousand simulated studies each, people and judge of known habits."""

from __future__ import annotations

import numpy
import pytest

from empathic.stats.corrected import Labelled, human_corrected_rate, ppi_rate, rogan_gladen_rate
from empathic.stats.win_rate import win_rate

STUDIES = 1000
HONEST = (0.93, 0.97)  # how often a 95% interval may cover the truth


def _said(
    dice: numpy.random.Generator, truth: float, ties: float, judge_ties: float, skill: tuple[float, float], n: int
) -> list[tuple[float, float]]:
    """What people and a judge say of `n` dialogues; of two in three that people call ties the judge sees a win."""
    people = dice.choice([1.0, 0.5, 0.0], p=[truth - ties / 2, ties, 1 - truth - ties / 2], size=n)
    chance = numpy.select([people == 1, people == 0], [skill[0], 1 - skill[1]], 2 / 3)
    judge = numpy.where(dice.random(n) < judge_ties, 0.5, dice.random(n) < chance)
    return list(zip(people.tolist(), judge.tolist(), strict=True))


@pytest.mark.parametrize("n", [(40, 60), (150, 250)])
@pytest.mark.parametrize(("ties", "judge_ties"), [(0.0, 0.0), (0.3, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.5)])
@pytest.mark.parametrize(("truth", "skill"), [(0.7, (0.9, 0.8)), (0.5, (0.95, 0.7))])
def test_a_corrected_rate_and_its_interval_are_honest_whoever_ties(
    n: tuple[int, int], ties: float, judge_ties: float, truth: float, skill: tuple[float, float]
) -> None:
    dice, found = numpy.random.default_rng(1), []
    for _ in range(STUDIES):
        labelled, rest = (_said(dice, truth, ties, judge_ties, skill, size) for size in n)
        found.append(human_corrected_rate(labelled, [judge for _, judge in rest]))
    assert HONEST[0] <= numpy.mean([one.low <= truth <= one.high for one in found]) <= HONEST[1]
    assert numpy.mean([one.estimate for one in found]) == pytest.approx(truth, abs=0.015)


def test_sensitivity_and_specificity_are_used_where_nobody_ties_and_only_there() -> None:
    labelled = [(1.0, 1.0)] * 8 + [(1.0, 0.0)] * 2 + [(0.0, 0.0)] * 9 + [(0.0, 1.0)]
    rest = [1.0] * 14 + [0.0] * 6
    assert human_corrected_rate(labelled, rest) == rogan_gladen_rate(14, 20, Labelled(10, 8, 10, 9))
    assert human_corrected_rate(labelled, [*rest, 0.5]) == ppi_rate(labelled, [*rest, 0.5])
    assert human_corrected_rate([*labelled, (0.5, 1.0)], rest) == ppi_rate([*labelled, (0.5, 1.0)], rest)


def test_by_difference_the_judges_mean_error_is_added() -> None:
    labelled = [(1.0, 1.0)] * 4 + [(0.5, 0.0)] * 2 + [(0.0, 0.0)] * 4  # too low by 0.1
    assert ppi_rate(labelled, [1.0, 0.5, 0.0, 0.5]).estimate == pytest.approx(0.6)
    agreed = ppi_rate([(1.0, 1.0)] * 5 + [(0.5, 0.5)] * 5, [0.5] * 10)
    assert agreed.estimate == 0.5 and agreed.high - agreed.low > 0.2, "ten dialogues are few"


@pytest.mark.parametrize(
    ("labelled", "rest", "says"),
    [
        ([(1.0, 0.5), (0.0, 0.5)], [0.5], "tells nothing"),
        ([(1.0, 0.0), (0.0, 1.0)], [1.0], "tells nothing"),
        ([], [0.5], "want dialogues"),
        ([(1.0, 0.5), (0.0, 0.0)], [], "want dialogues"),
        ([(1.0, 1.0), (1.0, 1.0)], [1.0], "labelled wins and losses"),
    ],
)
def test_what_can_not_be_corrected(labelled: list[tuple[float, float]], rest: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        human_corrected_rate(labelled, rest)


@pytest.mark.parametrize(("truth", "sees", "rejects"), [(0.7, 0.9, 0.8), (0.5, 0.75, 0.75), (0.9, 0.95, 0.7)])
def test_a_corrected_rates_interval_is_honest_and_wider(truth: float, sees: float, rejects: float) -> None:
    dice = numpy.random.default_rng(7)
    covered, wider = 0, 0
    for _ in range(STUDIES):
        won = dice.binomial(250, truth * sees + (1 - truth) * (1 - rejects))
        labelled = Labelled(150, dice.binomial(150, sees), 150, dice.binomial(150, rejects))
        found = rogan_gladen_rate(won, 250, labelled)
        covered += found.low <= truth <= found.high
        plain = win_rate("a", "b", "j", [1.0] * won + [0.0] * (250 - won))
        wider += found.high - found.low > plain.high - plain.low
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]
    assert wider > 0.95 * STUDIES


def test_a_judge_no_better_than_a_coin_can_not_be_corrected() -> None:
    with pytest.raises(ValueError, match="tells nothing"):
        rogan_gladen_rate(100, 200, Labelled(50, 25, 50, 25))
    with pytest.raises(ValueError, match="labelled"):
        rogan_gladen_rate(100, 200, Labelled(0, 0, 50, 25))
