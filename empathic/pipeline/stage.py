"""A stage of a run: what it reads, what it writes, when it is out of date, and what it would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.recipe import Recipe
from empathic.recipe.keys import value_at
from empathic.run import Row, Run

STUDENT_KEYS = ("student.model", "student.template")
# At these values they are as runs were before there were such keys, and a finished stage of one stays finished.
PLACEMENT = {"student.dtype": "auto", "student.load_in_4bit": False, "student.engine": "auto"}


@dataclass
class Forecast:
    """What a run would do. The stages fill it in, in their order: each adds what later ones go by.

    Attributes:
        recipe: the run's.
        folder: where the run would be.
        train: dialogues to train on, with the replies that the corpus would be made of.
        tests: dialogues to test on.
        corpus: SFT examples and preference pairs, by the part of the corpus.
        replies: replies by system.
        hours: of training, on an H200.
    """

    recipe: Recipe
    folder: Path
    train: list[Dialogue] = field(default_factory=list)
    tests: list[Dialogue] = field(default_factory=list)
    corpus: dict[str, int] = field(default_factory=dict)
    replies: dict[str, int] = field(default_factory=dict)
    hours: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes:
        name: as the manifest and `--until` have it.
        about: what it does, in a few words.
        keys: the recipe's keys that its outputs depend on.
        inputs: the files that they depend on.
        outputs: what it writes.
        work: does it, and returns facts for the manifest.
        forecast: says in a line what it would do.
        partial: what a killed attempt leaves behind.
    """

    name: str
    about: str
    keys: tuple[str, ...]
    inputs: Callable[[Run], list[Path]]
    outputs: Callable[[Run], list[Path]]
    work: Callable[[Run], Row]
    forecast: Callable[[Forecast], str]
    partial: Callable[[Run], list[Path]] = lambda run: []

    def values(self, recipe: Recipe) -> Row:
        """The recipe's values that its outputs depend on, by key."""
        raw = recipe.model_dump()
        values = {key: value_at(raw, key) for key in self.keys}
        return {key: value for key, value in values.items() if key not in PLACEMENT or value != PLACEMENT[key]}

    def wants(self, run: Run) -> Row:
        """What the stage's outputs depend on: recipe values and hashes of inputs."""
        hashes = {name: files.sha256(path) for name, path in _named(self.inputs(run), run)}
        return {"recipe": self.values(run.recipe), "inputs": hashes}


def _named(paths: list[Path], run: Run) -> Iterator[tuple[str, Path]]:
    """Each path once, under a name of its own: its place in the run, else its file name.

    Files from elsewhere may share a file name. The second is then `name (2)`, in the order of the recipe: a name with
    its folder would make a stage out of date where the files are only moved.
    """
    counts: Counter[str] = Counter()
    for path in dict.fromkeys(paths):
        name = str(path.relative_to(run.folder)) if path.is_relative_to(run.folder) else path.name
        counts[name] += 1
        yield name if counts[name] == 1 else f"{name} ({counts[name]})", path
