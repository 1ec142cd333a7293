"""A new measure is a class and a line of the registry: all that goes by scores then has it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.judge import derived, scoring, verdicts
from empathic.judge.measures import registry
from empathic.judge.measures.measure import Means, ReplyMeasure
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.judge.results import results
from empathic.judge.scores import Scores
from empathic.recipe import Judge, Recipe

TESTED = [EvalDialogue(f"d{i}", f"I lost my {thing}.") for i, thing in enumerate(("dog", "job", "keys", "hat"))]
SET = EvalSet(
    TESTED,
    {
        "sft": {d.id: "Oh." for d in TESTED},
        "dpo": {d.id: "Oh, how sad." for d in TESTED[:3]},
        "base": {d.id: "What a long reply this is." for d in TESTED},
    },
)


class LengthMeasure(ReplyMeasure):
    """Letters of a reply: the longer one wins."""

    name = "length"

    def value(self, dialogue: EvalDialogue, reply: str) -> float:
        return len(reply)


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scores:
    """Scores of `SET` with the new measure, and without a judge, read back from their file."""
    monkeypatch.setattr(registry, "MEASURES", [*registry.MEASURES, LengthMeasure])
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        (found,) = scoring.score([SET], Means(), ledger)
    found.write(tmp_path / "scores.jsonl")
    return Scores.read(tmp_path / "scores.jsonl")


def test_a_new_measure_has_win_rates_and_stands_in_verdicts(scores: Scores) -> None:
    rows, (rate,) = verdicts.compare("dpo", "sft", scores)
    assert (rate.to_row()["estimate"], rate.n) == (1, 3)
    assert rows[0] == {
        "id": "d0",
        "a": "dpo",
        "b": "sft",
        "outcomes": {"length": 1.0},
        "scores": {"dpo": {"length": 12}, "sft": {"length": 3}},
    }
    assert [one.system for one in derived.ranking(scores, list(SET.systems), "length")] == ["base", "dpo", "sft"]
    assert results(scores, Recipe(name="r"), ())["win_rates"][0]["estimate"] == 0


def test_what_was_read_back_is_what_was_written(scores: Scores, tmp_path: Path) -> None:
    scores.write(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "scores.jsonl").read_bytes()
    assert {row.measure for row in scores.rows} == {"words", "length"}


@pytest.mark.usefixtures("scores")
def test_a_judge_may_not_have_a_measures_name() -> None:
    for name in ("agreed", "length"):
        with pytest.raises(UserError, match=f"'{name}' is a measure's"):
            registry.check([Judge(), Judge(name=name)])


@pytest.mark.slow
def test_every_measure_counts_what_it_advances_by(talking, tmp_path: Path) -> None:
    """What is forecast of a set's sizes is what is asked, and progress comes to its end."""
    steps: list[tuple[int, int]] = []
    asked = EvalSet(TESTED, SET.systems, [("dpo", "sft"), ("sft", "base")])
    endpoint = talking(lambda messages: "2" if "0, 1" in messages[-1]["content"] else "A, no.").urls[0]
    judge = Judge(endpoint=endpoint, model="m", pairwise=True, levels=True)
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        scoring.score([asked], Means([judge]), ledger, lambda *step: steps.append(step), lambda line: None)
        rows = len(list(ledger.rows()))
    sizes = {name: len(replies) for name, replies in SET.systems.items()}
    assert len(steps) == steps[-1][1] == rows == scoring.questions(judge, EvalSet.of_sizes(sizes, asked.pairs))
