"""The corpus stage: SFT examples and preference pairs, of dialogues and what the teacher replied to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from empathic import files
from empathic.corpus import direct, improved, rows, safety_filter
from empathic.corpus.reasons import Reasons
from empathic.corpus.safety_filter import SafetyFilter, told
from empathic.dialogues import Dialogue, Reply, Source
from empathic.errors import UserError
from empathic.pipeline.stage import Forecast, Stage
from empathic.recipe import Recipe
from empathic.recipe.steps import EXAMPLES, PARTS, PREFERENCES, CorpusPart
from empathic.run import Row, Run


def work(run: Run) -> Row:
    """Build the SFT examples and preference pairs."""
    safety, reasons = safety_filter.of(run.recipe), Reasons()
    made = _build(run.recipe, lambda: _taught(run), safety, reasons)
    with _telling(reasons, safety, _of_teacher(run.manifest.stages["teacher"].facts)):
        counts = rows.write_corpus(made, run.path("corpus"), _needed(run.recipe))
    left_out = safety.counts() if safety else None
    if left_out:
        run.display.note(f"left out for safety: {told(left_out)}")
    return {**counts, "left_out": left_out}


@contextmanager
def _telling(reasons: Reasons, safety: SafetyFilter | None, teacher: str = "") -> Iterator[None]:
    """Say of a part of the corpus that came to nothing what became of the dialogues, by counts.

    Args:
        reasons: why dialogues gave nothing.
        safety: the filter, if any.
        teacher: what the stage before did with its replies, "" for nothing.
    """
    try:
        yield
    except rows.NothingToLearn as error:
        said = f"{error}: of the dialogues, {reasons.told(error.part)}{teacher}"
        if safety and safety.left_out and reasons.made[error.part]:
            said += f"; corpus.safety_filter left out {told(safety.counts())} in all, which false would keep"
        raise UserError(said) from error


def _of_teacher(facts: Row) -> str:
    """Why replies of a live teacher are missing."""
    removed = facts.get("removed", {})
    why = [f"{facts['aside']:,} were put aside (aside.jsonl)"] if facts.get("aside") else []
    if removed:
        why.append(f"teacher.filters removed {sum(removed.values()):,} replies ({', '.join(removed)})")
    return f"; of the teacher's, {' and '.join(why)}" if why else ""


def _build(recipe: Recipe, train: Source, safety: SafetyFilter | None, reasons: Reasons) -> Iterator[rows.Made]:
    if recipe.teacher.endpoint:
        made = improved.build(train, recipe.method, recipe.seed, reasons)
    else:
        made = direct.build(train, recipe.method, recipe.seed, PREFERENCES in _needed(recipe), reasons)
    made = reasons.watch(made)
    return safety.watch(made) if safety else made


def _needed(recipe: Recipe) -> set[CorpusPart]:
    """The parts of the corpus that the recipe's steps learn from."""
    return {step.part for step in recipe.steps if not step.learns_from_own}


def _taught(run: Run) -> Iterator[Dialogue]:
    """The train dialogues with what the teacher replied, one by one; both files are in the same order."""
    said = itertools.groupby(files.read_jsonl(run.teacher_file), key=lambda row: row["id"])
    id, found = next(said, (None, iter(())))
    for dialogue in run.each_dialogue("train"):
        if dialogue.id == id:
            dialogue = dialogue.with_replies({row["teacher"]: Reply(row["reply"], row["rating"]) for row in found})
            id, found = next(said, (None, iter(())))
        yield dialogue


def forecast(of: Forecast) -> str:
    """How much there would be to learn from."""
    tally, safety, reasons = rows.Tally(), safety_filter.of(of.recipe), Reasons()
    for _ in tally.watch(_build(of.recipe, lambda: of.train, safety, reasons)):
        pass
    with _telling(reasons, safety):
        counts = tally.counts(_needed(of.recipe))
    of.corpus = {part: counts[part] for part in PARTS}
    most = "at most " if safety and of.recipe.teacher.endpoint else ""  # what a teacher will say isn't read yet
    found = f"{most}{of.corpus[EXAMPLES]} SFT examples, {of.corpus[PREFERENCES]} preference pairs"
    return f"{found}; left out for safety: {told(safety.counts())}" if safety and safety.left_out else found


STAGE = Stage(
    "corpus",
    about="what the student will learn",
    keys=("method", "teacher.endpoint", "corpus.safety_filter", "seed"),
    inputs=lambda run: [run.dialogues_file, run.teacher_file],
    outputs=lambda run: [run.corpus(part) for part in PARTS],
    work=work,
    forecast=forecast,
)
