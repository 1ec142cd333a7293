"""The corpus stage: SFT examples and preference pairs, of dialogues and what the teacher replied to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from empathic import files
from empathic.corpus import direct, improved, rows
from empathic.dialogues import Dialogue, Reply, Source
from empathic.pipeline.stage import Forecast, Stage
from empathic.recipe import Recipe
from empathic.run import Row, Run


def work(run: Run) -> Row:
    """Build the SFT examples and preference pairs."""
    return rows.write_corpus(_build(run.recipe, lambda: _taught(run)), run.path("corpus"))


def _build(recipe: Recipe, train: Source) -> Iterator[rows.Made]:
    build = improved.build if recipe.teacher.endpoint else direct.build
    return build(train, recipe.method, recipe.seed)


def _taught(run: Run) -> Iterator[Dialogue]:
    """The train dialogues with what the teacher replied, one by one; both files are in the same order."""
    said = itertools.groupby(files.read_jsonl(run.path("teacher.jsonl")), key=lambda row: row["id"])
    id, found = next(said, (None, iter(())))
    for dialogue in run.each_dialogue("train"):
        if dialogue.id == id:
            for row in found:
                dialogue.replies[row["teacher"]] = Reply(row["reply"], row["rating"])
            id, found = next(said, (None, iter(())))
        yield dialogue


def forecast(of: Forecast) -> str:
    """How much there would be to learn from."""
    tally = rows.Tally()
    for _ in tally.watch(_build(of.recipe, lambda: of.train)):
        pass
    of.corpus = {step: count for step, count in tally.counts().items() if step != "by_teacher"}
    return f"{of.corpus['sft']} SFT examples, {of.corpus['preferences']} preference pairs"


STAGE = Stage(
    "corpus",
    keys=("method", "teacher.endpoint", "seed"),
    inputs=lambda run: [run.path("dialogues.jsonl"), run.path("teacher.jsonl")],
    outputs=("corpus/sft.jsonl", "corpus/preferences.jsonl"),
    work=work,
    forecast=forecast,
)
