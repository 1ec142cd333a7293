"""A stage of a run: what it reads, what it writes, when it is out of date, and what it would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from empathic import files
from empathic.dialogues import Dialogue
from empathic.recipe import Recipe
from empathic.run import Row, Run

STUDENT_KEYS = ("student.model", "student.template")


def value_at(recipe: Row, key: str) -> Any:
    """The value of a dotted key."""
    for part in key.split("."):
        recipe = recipe[part]
    return recipe


@dataclass
class Forecast:
    """What a run would do. The stages fill it in, in their order: each adds what later ones go by.

    Attributes:
        recipe: the run's.
        folder: where the run would be.
        train: dialogues to train on, with the replies that the corpus would be made of.
        tests: dialogues to test on.
        corpus: SFT examples and preference pairs, by the file that holds them.
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
    """One stage: the recipe keys and the files that determine what it writes, the work itself, and its forecast.

    `work` returns facts for the manifest, `forecast` says in a line what it would do. `partial` names what a killed
    attempt leaves behind.
    """

    name: str
    keys: tuple[str, ...]
    inputs: Callable[[Run], list[Path]]
    outputs: tuple[str, ...]
    work: Callable[[Run], Row]
    forecast: Callable[[Forecast], str]
    partial: tuple[str, ...] = ()

    def wants(self, run: Run) -> Row:
        """What the stage's outputs depend on: recipe values and hashes of inputs."""
        values = {key: value_at(run.recipe.model_dump(), key) for key in self.keys}
        names = {
            p: str(p.relative_to(run.folder)) if p.is_relative_to(run.folder) else p.name for p in self.inputs(run)
        }
        return {"recipe": values, "inputs": {name: files.sha256(path) for path, name in names.items()}}
