from __future__ import annotations

import numpy
import pytest

from empathic.judge import pairs
from empathic.judge.ranking import ranking
from empathic.judge.verdicts import Scores


def _scores(dice: numpy.random.Generator, means: dict[str, float], n: int = 64) -> Scores:
    """Replies whose score is their system's mean and chance."""
    odds = {name: {f"d{i}": {"q": float(dice.normal(mean))} for i in range(n)} for name, mean in means.items()}
    return Scores(odds={"j": odds})


def test_systems_come_in_the_order_of_their_strength() -> None:
    found = ranking(_scores(numpy.random.default_rng(0), {"a": 0, "c": 2, "b": 1}), ["a", "b", "c"], "behaviours")
    assert [one.system for one in found] == ["c", "b", "a"]
    assert all(one.low < one.strength < one.high and one.n == 64 for one in found)
    assert sum(one.strength for one in found) == pytest.approx(1.5)  # every win is another's loss


def test_two_equal_systems_are_level_and_one_that_always_wins_is_not_endless() -> None:
    level = {f"d{i}": {"q": 1.0} for i in range(20)}
    above = {f"d{i}": {"q": 2.0} for i in range(20)}
    found = ranking(Scores(odds={"j": {"a": level, "b": level, "c": above}}), ["a", "b", "c"], "behaviours")
    assert found[0].system == "c" and 0.9 < found[0].strength < 1
    assert found[1].strength == pytest.approx(found[2].strength, abs=1e-6)
    assert found[0].low < 0.9, "twenty wins are not certain"
    assert all(one.low < one.strength < one.high < 1 for one in found)


@pytest.mark.parametrize(("step", "n"), [(0.5, 64), (1.5, 40)])
def test_the_intervals_cover_the_truth_in_a_thousand_studies(step: float, n: int) -> None:
    """Three systems a step apart: the mean chance of the middle one is one half, whatever the step."""
    means, covered = {"low": -step, "middle": 0.0, "high": step}, 0
    for seed in range(1000):
        scores = _scores(numpy.random.default_rng(seed), means, n)
        by_name = {one.system: one for one in ranking(scores, list(means), "behaviours")}
        covered += by_name["middle"].low <= 0.5 <= by_name["middle"].high
    assert 0.93 <= covered / 1000 <= 0.97


def test_systems_without_a_dialogue_in_common_have_no_order() -> None:
    scores = Scores(odds={"j": {"a": {"d0": {"q": 1.0}}, "b": {"d1": {"q": 1.0}}}})
    assert ranking(scores, ["a", "b"], "behaviours") == []
    assert ranking(scores, ["a"], "behaviours") == []


def test_a_panels_agreement_needs_a_panel() -> None:
    dice = numpy.random.default_rng(0)
    one = _scores(dice, {"a": 0, "b": 1})
    assert pairs.judges_agree("a", "b", one) is None
    one.odds["twin"] = one.odds["j"]
    assert pairs.judges_agree("a", "b", one) == pytest.approx(1)
    one.odds["other"] = _scores(dice, {"a": 0, "b": 1}).odds["j"]
    found = pairs.judges_agree("a", "b", one)
    assert found is not None and 0 < found < 1


def test_each_two_judges_of_a_panel_have_a_kappa() -> None:
    dice = numpy.random.default_rng(0)
    scores = _scores(dice, {"a": 0, "b": 1})
    assert pairs.judge_kappas("a", "b", scores) == []
    scores.odds["twin"] = scores.odds["j"]
    scores.odds["other"] = {
        name: dict(list(of.items())[:40]) for name, of in _scores(dice, {"a": 0, "b": 1}).odds["j"].items()
    }
    scores.odds["elsewhere"] = {"c": scores.odds["j"]["a"]}
    twin, *others = pairs.judge_kappas("a", "b", scores)
    assert list(twin) == ["judge_a", "judge_b", "kappa", "low", "high", "n"]
    assert (twin["judge_a"], twin["judge_b"], twin["kappa"], twin["high"], twin["n"]) == ("j", "twin", 1, 1, 64)
    assert 0.5 < twin["low"] < 1
    assert [(row["judge_a"], row["judge_b"], row["n"]) for row in others] == [("j", "other", 40), ("twin", "other", 40)]
    assert others[0]["low"] < others[0]["kappa"] < others[0]["high"] < 1
