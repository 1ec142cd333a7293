from __future__ import annotations

import numpy
import pytest
from score_table import table

from empathic.judge import derived
from empathic.judge.scores import Scores

Odds = dict[str, dict[str, dict[str, float]]]


def _odds(dice: numpy.random.Generator, means: dict[str, float], n: int = 64) -> Odds:
    """Replies whose score is their system's mean and chance."""
    return {name: {f"d{i}": {"q": float(dice.normal(mean))} for i in range(n)} for name, mean in means.items()}


def _scores(dice: numpy.random.Generator, means: dict[str, float]) -> Scores:
    return table(log_odds={"j": _odds(dice, means)})


def test_systems_without_a_dialogue_or_a_measure_in_common_have_no_order() -> None:
    scores = table(log_odds={"j": {"a": {"d0": {"q": 1.0}}, "b": {"d1": {"q": 1.0}}}})
    assert derived.ranking(scores, ["a", "b"], "behaviours") == []
    assert derived.ranking(scores, ["a"], "behaviours") == []
    some = _scores(numpy.random.default_rng(0), {"a": 0, "b": 2})
    assert [one.system for one in derived.ranking(some, ["a", "b"], "behaviours")] == ["b", "a"]
    assert derived.ranking(some, ["a", "b"], "agreed") == []


def test_a_panels_agreement_needs_a_panel() -> None:
    dice = numpy.random.default_rng(0)
    odds = {"j": _odds(dice, {"a": 0, "b": 1})}
    assert derived.judges_agree("a", "b", table(odds)) is None
    odds["twin"] = odds["j"]
    assert derived.judges_agree("a", "b", table(odds)) == pytest.approx(1)
    odds["other"] = _odds(dice, {"a": 0, "b": 1})
    found = derived.judges_agree("a", "b", table(odds))
    assert found is not None and 0 < found < 1


def test_each_two_judges_of_a_panel_have_a_kappa() -> None:
    dice = numpy.random.default_rng(0)
    odds = {"j": _odds(dice, {"a": 0, "b": 1})}
    assert derived.judge_kappas("a", "b", table(odds)) == []
    odds["twin"] = odds["j"]
    odds["other"] = {name: dict(list(of.items())[:40]) for name, of in _odds(dice, {"a": 0, "b": 1}).items()}
    odds["elsewhere"] = {"c": odds["j"]["a"]}
    twin, *others = derived.judge_kappas("a", "b", table(odds))
    assert list(twin) == ["judge_a", "judge_b", "kappa", "low", "high", "n"]
    assert (twin["judge_a"], twin["judge_b"], twin["kappa"], twin["high"], twin["n"]) == ("j", "twin", 1, 1, 64)
    assert 0.5 < twin["low"] < 1
    assert [(row["judge_a"], row["judge_b"], row["n"]) for row in others] == [("j", "other", 40), ("twin", "other", 40)]
    assert others[0]["low"] < others[0]["kappa"] < others[0]["high"] < 1
