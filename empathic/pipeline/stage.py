"""A stage of a run: what it reads, what it writes, when it is out of date, and what it would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.recipe import Recipe
from empathic.recipe.keys import value_at
from empathic.run import Row, Run

STUDENT_KEYS = ("student.model", "student.template")


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
    """

    recipe: Recipe
    folder: Path
    train: list[Dialogue] = field(default_factory=list)
    tests: list[Dialogue] = field(default_factory=list)
    corpus: dict[str, int] = field(default_factory=dict)
    replies: dict[str, int] = field(default_factory=dict)


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
        return {key: value_at(raw, key) for key in self.keys}

    def wants(self, run: Run) -> Row:
        """What the stage's outputs depend on: recipe values and hashes of inputs."""
        names = {
            p: str(p.relative_to(run.folder)) if p.is_relative_to(run.folder) else p.name for p in self.inputs(run)
        }
        return {"recipe": self.values(run.recipe), "inputs": {name: files.sha256(path) for path, name in names.items()}}
