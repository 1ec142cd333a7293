"""`summary.json`: the figures of a run in one place, for people and programs."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from empathic import files
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.judge import comparisons, family, regressions
from empathic.judge.measures import behaviours, hollowness
from empathic.judge.scores import SCORES_FILE, Scores
from empathic.reading import kept
from empathic.recipe import Recipe
from empathic.report import corpus, groups
from empathic.run import Run
from empathic.run.artefacts import Summary
from empathic.stats.win_rate import rounded
from empathic.vote.tally import tally

_TRAINING = ("seconds", "examples_per_second", "first_loss", "last_loss", "reward_accuracy")


def summarise(run: Run) -> Summary:
    """The figures of a run, from its manifest and its replies.

    Raises:
        UserError: a stage that figures come from isn't done.
    """
    recipe, stages = run.recipe, run.manifest.stages
    steps = [step.name for step in recipe.steps]
    for name in ("dialogues", "corpus", *steps, "judge"):
        if name not in stages or stages[name].status != "done":
            raise UserError(
                f"{run.folder}: the stage {name!r} isn't done; go on with `empathic run RECIPE --out {run.folder}`"
            )
    facts = {name: stage.facts for name, stage in stages.items()}
    return Summary.model_validate(
        {
            "systems": run.systems,
            "headline": comparisons.headline(recipe),
            "dialogues": {side: facts["dialogues"][side] for side in ("train", "test")},
            "teacher": facts["teacher"],
            "corpus": {**facts["corpus"], "by_origin": corpus.by_origin(run)},
            "training": {step: {k: facts[step][k] for k in _TRAINING if k in facts[step]} for step in steps},
            "judges": [judge.name for judge in recipe.judge],
            **facts["judge"],
            "people": tally(run),
            "readings": kept.current(run.folder),
            "lost": regressions.kept(run),
            "questions": _questions(recipe),
            "levels_asked": [judge.name for judge in recipe.judge if judge.levels],
            "one_family": family.related(recipe.judge, family.teachers(recipe)),
            "hollowness": _hollowness(run),
            **_parts(run),
            "bill": _bill(run),
            "seconds": {name: stage.seconds for name, stage in stages.items() if stage.seconds is not None},
        }
    )


def _questions(recipe: Recipe) -> list[str]:
    """What judges are asked about a reply, each question once."""
    asked = [text for judge in recipe.judge for text in behaviours.questions(judge.questions).texts.values()]
    return list(dict.fromkeys(asked))


def _hollowness(run: Run) -> list[dict[str, Any]]:
    """How formulaic the students' replies are, and the known ones that every test dialogue has."""
    scores = Scores.read(run.path("verdicts", SCORES_FILE))
    return [rounded(row) for row in hollowness.read_panel(scores)]


def _parts(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Win rates of the last step over the untuned student, by emotion and by the message's length."""
    main = comparisons.headline(run.recipe)
    replies = list(files.read_jsonl(run.replies(main.a)))
    verdicts = list(files.read_jsonl(run.verdicts(*main)))
    return {
        "by_emotion": groups.by_emotion(verdicts, {row["id"]: row["emotion"] for row in replies}),
        "by_length": groups.by_length(verdicts, {row["id"]: row["utterance"] for row in replies}),
    }


def _bill(run: Run) -> list[dict[str, Any]]:
    """What the ledger that the run uses holds, by model and purpose."""
    if not run.ledger_file.exists():
        return []
    with closing(Ledger(run.ledger_file)) as ledger:
        return ledger.bill()


def write_summary(run: Run) -> Summary:
    """Write `summary.json` into a run, and return what is in it.

    Raises:
        UserError: as `summarise` does.
    """
    found = summarise(run)
    files.write_json(run.summary_file, found.model_dump(mode="json"))
    return found
