from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy
import pytest

from empathic.stats.bradley_terry import bradley_terry
from empathic.stats.win_rate import outcome


def _outcomes(scores: dict[str, Sequence[float]]) -> dict[tuple[str, str], dict[int, float]]:
    """Who won each dialogue, by the systems' scores."""
    return {
        (a, b): {i: outcome(one, other) for i, (one, other) in enumerate(zip(scores[a], scores[b], strict=True))}
        for a, b in itertools.combinations(scores, 2)
    }


def _drawn(dice: numpy.random.Generator, means: dict[str, float], n: int = 64) -> dict[str, Sequence[float]]:
    """Replies whose score is their system's mean and chance."""
    return {name: [float(dice.normal(mean)) for _ in range(n)] for name, mean in means.items()}


def test_systems_come_in_the_order_of_their_strength() -> None:
    scores = _drawn(numpy.random.default_rng(0), {"a": 0, "c": 2, "b": 1})
    found = bradley_terry(_outcomes(scores), list(scores))
    assert [one.system for one in found] == ["c", "b", "a"]
    assert all(one.low < one.strength < one.high and one.n == 64 for one in found)
    assert sum(one.strength for one in found) == pytest.approx(1.5)  # every win is another's loss


def test_two_equal_systems_are_level_and_one_that_always_wins_is_not_endless() -> None:
    found = bradley_terry(_outcomes({"a": [1.0] * 20, "b": [1.0] * 20, "c": [2.0] * 20}), ["a", "b", "c"])
    assert found[0].system == "c" and 0.9 < found[0].strength < 1
    assert found[1].strength == pytest.approx(found[2].strength, abs=1e-6)
    assert found[0].low < 0.9, "twenty wins are not certain"
    assert all(one.low < one.strength < one.high < 1 for one in found)


@pytest.mark.parametrize(("step", "n"), [(0.5, 64), (1.5, 40)])
@pytest.mark.slow
def test_the_intervals_cover_the_truth_in_a_thousand_studies(step: float, n: int) -> None:
    """Three systems a step apart: the mean chance of the middle one is one half, whatever the step."""
    means, covered = {"low": -step, "middle": 0.0, "high": step}, 0
    for seed in range(1000):
        scores = _drawn(numpy.random.default_rng(seed), means, n)
        by_name = {one.system: one for one in bradley_terry(_outcomes(scores), list(means))}
        covered += by_name["middle"].low <= 0.5 <= by_name["middle"].high
    assert 0.93 <= covered / 1000 <= 0.97


def test_systems_without_a_dialogue_in_common_have_no_order() -> None:
    assert bradley_terry({("a", "b"): {}}, ["a", "b"]) == []
    assert bradley_terry({}, ["a", "b"]) == []
    assert bradley_terry({}, ["a"]) == []
