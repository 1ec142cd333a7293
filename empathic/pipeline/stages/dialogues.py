"""The dialogues stage: load, split, and drop those of train that are also in test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue, leakage, sources, split
from empathic.errors import UserError
from empathic.pipeline.stage import Forecast, Stage
from empathic.run import Row, Run


def work(run: Run) -> Row:
    """Load the dialogues, split, and drop those of train that are also in test.

    Raises:
        UserError: data that can't be used, or known replies to judge against that no test dialogue has.
    """

    def found() -> Iterator[Dialogue]:
        return sources.stream_dialogues(run.recipe.dialogues, run.recipe.seed)

    watch, counts = leakage.LeakageFilter(found()), Counter({"train": 0, "test": 0})
    origins: set[str] = set()

    def kept() -> Iterator[Row]:
        for d in filter(watch.passes, found()):
            counts[d.split] += 1
            origins.update(d.replies if d.split == "test" else ())
            yield d.to_row()

    files.write_jsonl(run.dialogues_file, kept())
    if taken := [name for name in run.recipe.systems if name in origins]:
        raise UserError(f"steps: {taken[0]!r} is also the origin of known replies; give the step another name")
    if absent := [origin for origin in run.recipe.references(origins) if origin not in origins]:
        theirs = ", ".join(sorted(origins)) or "none"
        raise UserError(f"sample.references: no test dialogue has a reply of {absent[0]!r}; theirs are of: {theirs}")
    return {**counts, "leaks_dropped": watch.dropped}


def forecast(of: Forecast) -> str:
    """How many dialogues there would be to train and to test on."""
    found = sources.load_dialogues(of.recipe.dialogues, of.recipe.seed)
    watch = leakage.LeakageFilter(found)
    kept = [d for d in found if watch.passes(d)]
    of.train = [d for d in kept if d.split == "train"]
    of.tests = [d for d in kept if d.split == "test"]
    return f"{len(of.train)} to train on, {len(of.tests)} to test on, {watch.dropped} dropped as leaks"


def _inputs(run: Run) -> list[Path]:
    asked = run.recipe.dialogues
    ids = [] if asked.split in split.NAMES else [Path(asked.split)]
    return [*sources.files_of(asked), *ids]


STAGE = Stage(
    "dialogues",
    about="what people say",
    keys=("dialogues", "seed"),
    inputs=_inputs,
    outputs=lambda run: [run.dialogues_file],
    work=work,
    forecast=forecast,
)
