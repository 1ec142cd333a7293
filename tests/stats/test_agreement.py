from __future__ import annotations

import numpy
import pytest

from empathic.stats.agreement import agreement, alpha

SEVERAL = ([0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0], list("abcdef"))


def test_weighted_kappa_is_the_textbooks() -> None:
    """1 - (0 + 1 + 0 + 0 + 0 + 4) / the same sum over all 36 pairings by chance, divided by 6."""
    people, judge, _ = SEVERAL
    chance = sum((p - j) ** 2 for p in people for j in judge) / 6
    found = agreement(*SEVERAL)
    assert found.kappa == pytest.approx(1 - 5 / chance)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.f1 == pytest.approx((2 * 1 / (2 + 2) + 2 * 2 / (2 + 3) + 2 * 1 / (2 + 1)) / 3)


def test_full_agreement_chance_and_contradiction() -> None:
    levels = [0, 1, 2] * 40
    groups = [str(i) for i in range(120)]
    assert agreement(levels, levels, groups).kappa == 1
    assert agreement(levels, [2 - level for level in levels], groups).kappa == -1
    constant = agreement(levels, [1] * 120, groups)
    assert constant.kappa == 0 and constant.accuracy == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="as many"):
        agreement([], [], [])


@pytest.mark.parametrize("n", [30, 200])
@pytest.mark.parametrize("sure", [0.3, 0.6, 0.9])
def test_the_interval_covers_the_truth_in_a_thousand_studies(sure: float, n: int) -> None:
    dice, covered, groups = numpy.random.default_rng(1), 0, [str(i) for i in range(n)]
    for _ in range(1000):
        people = dice.integers(0, 3, n)
        judge = numpy.where(dice.random(n) < sure, people, dice.integers(0, 3, n))
        found = agreement(people.tolist(), judge.tolist(), groups)
        covered += found.low <= sure <= found.high  # kappa of a judge that guesses in the others
    assert 0.93 <= covered / 1000 <= 0.97


@pytest.mark.parametrize("levels", [[0, 1, 2, 0, 1, 2, 0, 1, 2, 0], [0, 2] * 5])
def test_ten_that_all_agree_are_not_certain_and_a_thousand_nearly_are(levels: list[int]) -> None:
    few, many = (agreement(levels * k, levels * k, [str(i) for i in range(10 * k)]) for k in (1, 100))
    assert few.kappa == few.high == many.kappa == many.high == 1
    assert few.low < 0.6 and 0.95 < many.low < 1
    reversed_ = agreement(levels, [2 - level for level in levels], [str(i) for i in range(10)])
    assert reversed_.low <= reversed_.kappa < -0.9 and reversed_.high > -0.6


def test_one_level_throughout_tells_nothing() -> None:
    same = agreement([2] * 50, [2] * 50, [str(i) for i in range(50)])
    assert same.kappa == 0 and same.low < -0.5 and same.high > 0.5


def test_the_interval_grows_where_groups_hang_together() -> None:
    dice = numpy.random.default_rng(1)
    people = numpy.repeat(dice.integers(0, 3, 40), 5)
    judge = numpy.repeat(numpy.where(dice.random(40) < 0.6, people[::5], dice.integers(0, 3, 40)), 5)
    apart = agreement(people.tolist(), judge.tolist(), [str(i) for i in range(200)])
    together = agreement(people.tolist(), judge.tolist(), [str(i // 5) for i in range(200)])
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_krippendorffs_alpha_of_his_own_example() -> None:
    """The twelve units and four observers of Krippendorff (2011, Computing Krippendorff's alpha), interval metric."""
    table = (
        (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
        (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
        (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
        (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
    )
    raters = [{str(i): float(v) for i, v in enumerate(row) if v is not None} for row in table]
    assert alpha(raters) == pytest.approx(0.849, abs=5e-4)
    assert alpha([{"a": 1.0}, {"b": 0.0}]) is None
    assert alpha([{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}]) == pytest.approx(-0.5)
