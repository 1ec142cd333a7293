"""The dialogues stage: load, split, and drop those of train that are also in test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue, leakage, sources, split, table
from empathic.errors import UserError
from empathic.pipeline.stage import Forecast, Stage
from empathic.run import Row, Run


def work(run: Run) -> Row:
    """Load the dialogues, split, and drop those of train that are also in test.

    Raises:
        UserError: data that can't be used, or known replies to judge against that no test dialogue has.
    """
    facts: Counter[str] = Counter()

    def found() -> Iterator[Dialogue]:
        return sources.stream_dialogues(run.recipe.dialogues, run.recipe.seed, facts)

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
    return {**counts, "leaks_dropped": watch.dropped, **_told(facts)}


def _told(facts: Counter[str]) -> dict[str, int]:
    """What reading the source dropped, cut or mended, where it did."""
    return {name: facts[name] for name in table.COUNTED if facts[name]}


def forecast(of: Forecast) -> str:
    """How many dialogues there would be to train and to test on."""
    facts: Counter[str] = Counter()
    found = list(sources.stream_dialogues(of.recipe.dialogues, of.recipe.seed, facts))
    watch = leakage.LeakageFilter(found)
    kept = [d for d in found if watch.passes(d)]
    of.train = [d for d in kept if d.split == "train"]
    of.tests = [d for d in kept if d.split == "test"]
    more = "".join(f", {count} {name.replace('_', ' ')}" for name, count in _told(facts).items())
    return f"{len(of.train)} to train on, {len(of.tests)} to test on, {watch.dropped} dropped as leaks{more}"


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
