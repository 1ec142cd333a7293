"""`summary.json`: the figures of a run in one place, for people and programs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from empathic import files
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.judge import family, regressions
from empathic.judge.measures import behaviours, hollowness
from empathic.judge.replies import read_replies
from empathic.recipe import Recipe
from empathic.report import corpus, groups
from empathic.run import dialogues_of, ledger_of
from empathic.stats.win_rate import rounded
from empathic.vote.tally import tally

_NEEDED = ("dialogues", "corpus", "sft", "dpo", "judge")
_TRAINING = ("seconds", "examples_per_second", "first_loss", "last_loss", "reward_accuracy")


def summarise(run: Path) -> dict[str, Any]:
    """The figures of a run, from its manifest and its replies.

    Raises:
        UserError: `run` is no run directory, or a stage that figures come from isn't done.
    """
    path = run / "manifest.json"
    if not path.exists():
        raise UserError(f"{run}: no manifest.json there; give a run directory, such as runs/demo")
    stages = files.read_json(path)["stages"]
    for name in _NEEDED:
        if stages.get(name, {}).get("status") != "done":
            raise UserError(f"{run}: the stage {name!r} isn't done; go on with `empathic run RECIPE --out {run}`")
    facts = {name: stage.get("facts", {}) for name, stage in stages.items()}
    recipe = Recipe.model_validate(yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8")))
    return {
        "dialogues": {side: facts["dialogues"][side] for side in ("train", "test")},
        "teacher": facts["teacher"],
        "corpus": {**facts["corpus"], "by_origin": corpus.by_origin(run)},
        "training": {step: {k: facts[step][k] for k in _TRAINING if k in facts[step]} for step in ("sft", "dpo")},
        "judge": facts["judge"]["judge"],
        "win_rates": facts["judge"]["win_rates"],
        "length_controlled": facts["judge"]["length_controlled"],
        "differences": facts["judge"]["differences"],
        "ranking": facts["judge"].get("ranking", []),
        "who_beats_whom": facts["judge"].get("who_beats_whom", []),
        "alpha": facts["judge"].get("alpha"),
        "judge_kappas": facts["judge"].get("judge_kappas", []),
        "controls": facts["judge"]["controls"],
        "people": tally(run),
        "lost": regressions.kept(run),
        "questions": _questions(recipe),
        "levels_asked": [judge.name for judge in recipe.judge if judge.levels],
        "one_family": family.related(recipe.judge, family.teachers(recipe)),
        "hollowness": _hollowness(run),
        **_parts(run),
        "bill": _bill(run, recipe),
        "seconds": {name: stage["seconds"] for name, stage in stages.items() if "seconds" in stage},
    }


def _questions(recipe: Recipe) -> list[str]:
    """What judges are asked about a reply, each question once."""
    asked = [text for judge in recipe.judge for text in behaviours.questions(judge.questions).texts.values()]
    return list(dict.fromkeys(asked))


def _hollowness(run: Path) -> list[dict[str, Any]]:
    """How formulaic the students' replies are, and the known ones that every test dialogue has."""
    tests = list(dialogues_of(run, "test"))
    systems = {name: read_replies(run / "replies" / f"{name}.jsonl")[1] for name in ("base", "sft", "dpo")}
    for origin in tests[0].replies:
        if all(origin in d.replies for d in tests):
            systems[origin] = {d.id: d.replies[origin].text for d in tests}
    return [rounded(row) for row in hollowness.panel(tests, systems)]


def _parts(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Win rates of the trained student over the untuned one, by emotion and by the message's length."""
    replies = list(files.read_jsonl(run / "replies" / "dpo.jsonl"))
    verdicts = list(files.read_jsonl(run / "verdicts" / "dpo-base.jsonl"))
    return {
        "by_emotion": groups.by_emotion(verdicts, {row["id"]: row["emotion"] for row in replies}),
        "by_length": groups.by_length(verdicts, {row["id"]: row["utterance"] for row in replies}),
    }


def _bill(run: Path, recipe: Recipe) -> list[dict[str, Any]]:
    """What the ledger that the run uses holds, by model and purpose."""
    path = ledger_of(recipe, run)
    if not path.exists():
        return []
    with closing(Ledger(path)) as ledger:
        return ledger.bill()


def write_summary(run: Path) -> Path:
    """Write `summary.json` into a run, and return where.

    Raises:
        UserError: as `summarise` does.
    """
    files.write_json(run / "summary.json", summarise(run))
    return run / "summary.json"


def failed_controls(summary: dict[str, Any]) -> dict[str, list[str]]:
    """Which controls each judge failed."""
    return {
        judge: [name for name, found in controls.items() if not found["passes"]]
        for judge, controls in summary["controls"].items()
    }
