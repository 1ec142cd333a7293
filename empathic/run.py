"""A run's folder: what the stages read from, write to and tell their progress through."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from empathic import files
from empathic.dialogues import Dialogue
from empathic.endpoints.ledger import Ledger
from empathic.recipe import Recipe

Row = dict[str, Any]
SYSTEMS = ("base", "sft", "dpo")  # that a run makes: the student before it learns, and after either step


class Display(Protocol):
    """Where a run tells how far it is."""

    def begin(self, stage: str) -> None:
        """A stage starts."""

    def step(self, done: int, total: int) -> None:
        """The stage has done so many of so many steps."""

    def end(self, stage: str, seconds: float, kept: bool) -> None:
        """A stage ended, or was kept from before."""

    def note(self, text: str) -> None:
        """Something a person should know."""


def dialogues_of(folder: Path, split: str) -> Iterator[Dialogue]:
    """The dialogues of a split in a run's folder, one by one, in the source's order."""
    rows = files.read_jsonl(folder / "dialogues.jsonl")
    return (Dialogue.from_row(row) for row in rows if row["split"] == split)


def ledger_of(recipe: Recipe, folder: Path) -> Path:
    """Where a run's ledger is, or the one it shares."""
    return Path(recipe.ledger) if recipe.ledger else folder / "ledger.sqlite"


class Run:
    """A run's folder, its recipe, what it knows of its stages, and how many processes train."""

    def __init__(self, recipe: Recipe, folder: Path, display: Display, processes: int = 1) -> None:
        self.recipe, self.folder, self.display, self.processes = recipe, folder, display, processes
        self.manifest: dict[str, Any] = {"stages": {}}
        if (folder / "manifest.json").exists():
            self.manifest = files.read_json(folder / "manifest.json")

    def path(self, *parts: str) -> Path:
        """A place in the run's folder."""
        return self.folder.joinpath(*parts)

    def rows(self, *parts: str) -> list[Row]:
        """The rows of one of the run's JSONL files."""
        return list(files.read_jsonl(self.path(*parts)))

    def dialogues(self, split: str) -> list[Dialogue]:
        """The run's dialogues of a split, in the source's order."""
        return list(self.each_dialogue(split))

    def each_dialogue(self, split: str) -> Iterator[Dialogue]:
        """The same one by one, for what should not grow with their number."""
        return dialogues_of(self.folder, split)

    def gguf(self, system: str) -> Path:
        """The file of a system that is judged: the first quant."""
        return self.path("phone", f"{system}-{self.recipe.phone.quants[0]}.gguf")

    def ledger(self) -> closing[Ledger]:
        """The run's ledger, or the one it shares, for a `with` block."""
        return closing(Ledger(ledger_of(self.recipe, self.folder)))

    def counter(self, total: int) -> Callable[[], None]:
        """What to call once for each of so many steps of a stage, for the display."""
        done = itertools.count(1)
        return lambda: self.display.step(next(done), total)

    def save(self) -> None:
        """Write the manifest."""
        files.write_json(self.path("manifest.json"), self.manifest)
