"""The corpus stage: SFT examples and preference pairs, of dialogues and what the teacher replied to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from empathic import files
from empathic.corpus import direct, improved, rows
from empathic.dialogues import Dialogue, Reply, Source
from empathic.pipeline.stage import Forecast, Stage
from empathic.recipe import Recipe
from empathic.recipe.steps import EXAMPLES, PARTS, PREFERENCES, CorpusPart
from empathic.run import Row, Run


def work(run: Run) -> Row:
    """Build the SFT examples and preference pairs."""
    made = _build(run.recipe, lambda: _taught(run))
    return rows.write_corpus(made, run.path("corpus"), _needed(run.recipe))


def _build(recipe: Recipe, train: Source) -> Iterator[rows.Made]:
    if recipe.teacher.endpoint:
        return improved.build(train, recipe.method, recipe.seed)
    return direct.build(train, recipe.method, recipe.seed, PREFERENCES in _needed(recipe))


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
    tally = rows.Tally()
    for _ in tally.watch(_build(of.recipe, lambda: of.train)):
        pass
    counts = tally.counts(_needed(of.recipe))
    of.corpus = {part: counts[part] for part in PARTS}
    return f"{of.corpus[EXAMPLES]} SFT examples, {of.corpus[PREFERENCES]} preference pairs"


STAGE = Stage(
    "corpus",
    about="what the student will learn",
    keys=("method", "teacher.endpoint", "seed"),
    inputs=lambda run: [run.dialogues_file, run.teacher_file],
    outputs=lambda run: [run.corpus(part) for part in PARTS],
    work=work,
    forecast=forecast,
)
