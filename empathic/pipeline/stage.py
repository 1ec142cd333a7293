"""A stage of a run: what it reads, what it writes, when it is out of date, and what it would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
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

    Attributes:
        name: the stage's name, as `--until` takes it.
        keys: recipe keys that determine what it writes.
        inputs: files that determine what it writes.
        outputs: files that it writes whatever the recipe.
        work: does the stage, and returns facts for the manifest.
        forecast: says in a line what it would do.
        partial: what an attempt leaves behind that no other recipe or input may go on from.
        recipe_outputs: files that it writes because the recipe says so.
    """

    name: str
    keys: tuple[str, ...]
    inputs: Callable[[Run], list[Path]]
    outputs: tuple[str, ...]
    work: Callable[[Run], Row]
    forecast: Callable[[Forecast], str]
    partial: tuple[str, ...] = ()
    recipe_outputs: Callable[[Run], list[Path]] = lambda run: []

    def wants(self, run: Run) -> Row:
        """What the stage's outputs depend on: recipe values and hashes of inputs."""
        values = {key: value_at(run.recipe.model_dump(), key) for key in self.keys}
        return {"recipe": values, "inputs": {name: files.sha256(p) for name, p in _named(self.inputs(run), run)}}

    def is_whole(self, run: Run) -> bool:
        """Whether every output is there."""
        outputs = [run.path(*name.split("/")) for name in self.outputs]
        return all(path.exists() for path in outputs + self.recipe_outputs(run))


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
