from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from score_table import table

from empathic import files, recipe
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.judge import scoring, verdicts
from empathic.judge.measures.levels import BEHAVIOURS, LevelsMeasure
from empathic.judge.measures.measure import Means
from empathic.judge.measures.specificity import Specificity
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.judge.scores import Scores
from empathic.recipe import Judge

TESTED = [EvalDialogue(f"d{i}", f"I lost my {thing}.") for i, thing in enumerate(("dog", "job", "keys", "hat"))]
SYSTEMS = {"kind": {d.id: f"{d.id}, how sad" for d in TESTED}, "curt": {d.id: f"{d.id}, noted" for d in TESTED}}
SET = EvalSet(TESTED, SYSTEMS, [("kind", "curt")])


@pytest.fixture
def judged(talking, tiny: Path, tmp_path: Path) -> Callable[..., Any]:
    """Scores of `SET` by a judge that answers the last turn as told, what was said of it, and the progress."""

    def judge(say: Callable[[str], str], one: EvalSet = SET, **keys: Any) -> tuple[Scores, list[str], list[Any]]:
        said: list[str] = []
        steps: list[Any] = []
        endpoint = talking(lambda messages: say(messages[-1]["content"])).urls[0]
        asked = Judge(name="qwen", endpoint=endpoint, model="m", **keys)
        with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
            scorer = Specificity(str(tiny), None, "Be kind.", ledger)
            means = Means([asked], scoring.models_of(scorer))
            (scores,) = scoring.score([one], means, ledger, lambda *step: steps.append(step), said.append)
        return scores, said, steps

    return judge


def _rates(scores: Scores) -> dict[str, tuple[float, int] | int]:
    """By measure the rate and over how many dialogues; the tiny model's own only over how many."""
    rates = verdicts.compare("kind", "curt", scores)[1]
    return {
        rate.measure: rate.n if rate.measure in ("specificity", "agreed") else (rate.estimate, rate.n) for rate in rates
    }


def _of_answers(said: list[str]) -> list[str]:
    """What was said, but for what the server doesn't take."""
    return [line for line in said if not line.startswith("http")]


def test_answers_of_no_use_are_counted_and_leave_dialogues_without_an_outcome(judged) -> None:
    def say(shown: str) -> str:
        if "Reply A" in shown:
            return "I can't choose" if "d1" in shown else "A"
        if "d0, how" in shown or ("d2, how" in shown and "natural" in shown):
            return "I'd rather not say"
        return "Yes" if "how sad" in shown else "No"

    scores, said, _ = judged(say, pairwise=True)
    assert _of_answers(said) == [
        "qwen: 3 of 16 answers were neither yes nor no",
        "qwen: 1 of 4 pairs had an answer that was neither A nor B",
    ]
    assert _rates(scores) == {"behaviours": (1.0, 3), "pairwise": (0.5, 3), "specificity": 4, "agreed": 3}


@pytest.mark.parametrize(
    ("keys", "silent", "fault"),
    [
        ({}, "Answer yes or no", "all 16 answers were neither yes nor no"),
        ({"pairwise": True}, "Reply A", "all 4 pairs had an answer that was neither A nor B"),
        ({"levels": True}, "Answer 0, 1 or 2", "all 24 answers named no level"),
    ],
)
def test_a_judge_that_never_answers_is_refused_by_its_endpoint(judged, keys, silent: str, fault: str) -> None:
    with pytest.raises(UserError, match=rf"^http://127\S+: {fault}; give qwen another endpoint$"):
        judged(lambda shown: "I'd rather not" if silent in shown else "Yes", **keys)


@pytest.mark.slow
def test_levels_of_an_endpoint_are_a_measure(judged) -> None:
    def say(shown: str) -> str:
        if "Answer 0, 1 or 2" not in shown:
            return "Yes"
        if "d3" in shown and "noted" in shown and "know more" in shown:
            return "Who knows"
        return "2" if "how sad" in shown and "warmth" in shown else "1"

    scores, said, steps = judged(say, levels=True)
    assert _of_answers(said) == ["qwen: 1 of 24 answers named no level"]
    assert _rates(scores) == {"behaviours": (0.5, 4), "levels": (1.0, 3), "specificity": 4, "agreed": 4}
    rows = verdicts.compare("kind", "curt", scores)[0]
    assert [row["scores"]["curt"].get("levels") for row in rows] == [1.0, 1.0, 1.0, None]
    assert rows[0]["scores"]["kind"]["levels"] == pytest.approx(4 / 3, abs=1e-4)
    assert len(steps) == 8 * (2 + len(BEHAVIOURS) + 1)
    assert {total for _, total in steps} == {len(steps)}


def test_replies_are_compared_by_the_questions_answered_about_both() -> None:
    scores = table(log_odds={"j": {"a": {"d0": {"heard": 1.0}}, "b": {"d0": {"heard": 0.0, "plain": 9.0}}}})
    assert verdicts.outcomes(scores, "a", "b") == {"d0": {"behaviours": 1.0}}


def test_a_panels_level_is_the_mean_of_all_who_were_asked() -> None:
    scores = table(levels={"one": {"a": {"d0": 2.0, "d1": 1.0}}, "two": {"a": {"d0": 0.5}}})
    found = [LevelsMeasure.level(scores, *place) for place in (("a", "d0"), ("a", "d1"), ("b", "d0"))]
    assert found == [1.25, None, None]


def test_a_recipe_takes_levels_from_judges_or_from_a_scorer(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("judge: [{levels: true}]\n", encoding="utf-8")
    ours = recipe.load_recipe(str(path)).judge
    assert scoring.questions(ours[0], EvalSet.of_sizes({"a": 4})) == 4 * (2 + len(BEHAVIOURS))
    with pytest.raises(UserError, match=r"mine.yaml: epitome_scorer: .* choose"):
        recipe.load_recipe(str(path), ["epitome_scorer=runs/epitome"])


def test_one_message_is_judged_without_specificity(judged) -> None:
    alone = EvalSet(TESTED[:1], {name: {"d0": of["d0"]} for name, of in SYSTEMS.items()})
    same = replace(SET, dialogues=[replace(d, utterance="I lost it.") for d in TESTED])
    for one in (alone, same):
        scores, said, steps = judged(lambda shown: "Yes" if "how sad" in shown else "No", one)
        assert _of_answers(said) == ["specificity is left out: it takes replies to two different messages"]
        assert {total for _, total in steps} == {len(steps)}
        assert _rates(scores) == {"behaviours": (1.0, len(one.dialogues))}


@pytest.mark.network
def test_compare_judges_one_pair(empathic, tiny_gguf: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        files.write_jsonl(tmp_path / f"{name}.jsonl", [{"id": "d", "utterance": "I lost my hat.", "reply": f"{name}!"}])
    settings = ("--judge", f"local:{tiny_gguf}", "--ledger", tmp_path / "l.sqlite", "--controls", 2)
    done = empathic("compare", tmp_path / "one.jsonl", tmp_path / "two.jsonl", *settings, "--json")
    assert done.returncode == 0, done.stderr
    assert [(row["measure"], row["n"]) for row in json.loads(done.stdout)] == [("behaviours", 1)]
    assert "specificity is left out" in done.stderr
