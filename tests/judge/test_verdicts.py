from __future__ import annotations

import math

import pytest
from score_table import table

from empathic.judge import verdicts
from empathic.judge.measures import behaviours

OURS = behaviours.questions()


def test_verdicts_keep_every_probability_and_count_only_shared_dialogues() -> None:
    yes = dict.fromkeys(OURS.texts, 2.0)
    no = dict.fromkeys(OURS.texts, -1.0)
    scores = table(
        log_odds={"j": {"a": {"d0": yes, "d1": yes}, "b": {"d0": no, "d1": yes}}},
        pmi={"a": {"d0": 3.0, "d1": 1.0, "d2": 5.0}, "b": {"d0": 1.0, "d1": 2.0, "d2": 0.0}},
    )
    rows, rates = verdicts.compare("a", "b", scores)
    assert [row["outcomes"] for row in rows] == [
        {"behaviours": 1.0, "specificity": 1.0, "agreed": 1.0},
        {"behaviours": 0.5, "specificity": 0.0, "agreed": 0.5},
        {"specificity": 1.0},
    ]
    assert rows[0]["a"] == "a"
    assert rows[0]["scores"]["a"]["probabilities"]["j"]["natural"] == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-6)
    assert {rate.measure: (rate.estimate, rate.n) for rate in rates} == {
        "behaviours": (0.75, 2),
        "specificity": (2 / 3, 3),
        "agreed": (0.75, 2),
    }


def test_a_question_without_an_answer_is_no_opinion() -> None:
    """A judge that says nothing of one reply and no to the other prefers neither."""
    scores = table(
        log_odds={
            "silent": {"a": {"d0": {}, "d1": {"heard": 2.0}}, "b": {"d0": {"heard": -2.0}, "d1": {"heard": 1.0}}},
            "sure": {"a": {"d0": {"heard": -1.0}}, "b": {"d0": {"heard": 1.0}}},
        }
    )
    rows, rates = verdicts.compare("a", "b", scores)
    assert [row["outcomes"] for row in rows] == [{"sure": 0.0, "behaviours": 0.0}, {"silent": 1.0, "behaviours": 1.0}]
    assert {rate.measure: rate.n for rate in rates} == {"silent": 1, "sure": 1, "behaviours": 2}
    assert rows[0]["scores"]["a"] == {
        "probabilities": {"silent": {}, "sure": {"heard": 0.268941}},
        "log_odds": {"sure": -1.0},
    }
    assert rows[1]["scores"]["b"]["probabilities"] == {"silent": {"heard": 0.731059}}


def test_a_panel_votes_and_each_judge_has_a_rate_of_its_own() -> None:
    def odds(*values: float) -> dict[str, dict[str, float]]:
        return {f"d{i}": dict.fromkeys(OURS.texts, value) for i, value in enumerate(values)}

    panel = {"one": (3, 3, -3), "two": (2, -2, -2), "three": (1, 1, 0)}
    scores = table(log_odds={name: {"a": odds(*values), "b": odds(0, 0, 0)} for name, values in panel.items()})
    rows, rates = verdicts.compare("a", "b", scores)
    assert [row["outcomes"]["behaviours"] for row in rows] == [1.0, 1.0, 0.0]
    assert {rate.measure: rate.estimate for rate in rates} == {
        "one": pytest.approx(2 / 3),
        "two": pytest.approx(1 / 3),
        "three": pytest.approx(2.5 / 3),
        "behaviours": pytest.approx(2 / 3),
    }
    two = table(log_odds={name: {"a": odds(*panel[name]), "b": odds(0, 0, 0)} for name in ("one", "two")})
    assert [row["outcomes"]["behaviours"] for row in verdicts.compare("a", "b", two)[0]] == [1.0, 0.5, 0.0]
