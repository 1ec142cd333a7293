"""A run: its folder with every path in it, its recipe, and what is known of its stages.

All that reads or writes a run does so through this class; no other module names a file of the folder.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import yaml
from pydantic import ValidationError

from empathic import files
from empathic.dialogues import Dialogue
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.recipe import Recipe, Student
from empathic.recipe.steps import CorpusPart, Distil, Training
from empathic.run import artefacts, exports
from empathic.run.artefacts import Export, Manifest, Summary

Row = dict[str, Any]
_RECIPE, _MANIFEST = "recipe.yaml", "manifest.json"


class Display(Protocol):
    """Where a run tells how far it is."""

    def begin(self, stage: str) -> None:
        """A stage starts."""

    def step(self, done: int, total: int) -> None:
        """The stage has done so many of so many steps."""

    def end(self, stage: str, about: str, seconds: float, kept: bool) -> None:
        """A stage ended, or was kept from before."""

    def note(self, text: str) -> None:
        """Something a person should know."""


@contextmanager
def staged(display: Display, name: str) -> Iterator[None]:
    """A stage of a display, with the seconds that it took."""
    started = time.monotonic()
    display.begin(name)
    yield
    display.end(name, "", time.monotonic() - started, False)


class _Silent:
    """A display that shows nothing, for runs that are only read."""

    def begin(self, stage: str) -> None:
        """Show nothing."""

    def step(self, done: int, total: int) -> None:
        """Show nothing."""

    def end(self, stage: str, about: str, seconds: float, kept: bool) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


def has_manifest(folder: Path) -> bool:
    """Whether a run was begun in a folder."""
    return (folder / _MANIFEST).exists()


def read_manifest(folder: Path) -> Manifest | None:
    """What the folder of a run says of its stages; None where no run was begun.

    Raises:
        UserError: the run was made by a version whose runs can't be read.
    """
    return artefacts.read(folder / _MANIFEST, Manifest) if has_manifest(folder) else None


class Run:
    """A run.

    Attributes:
        folder: where it lies.
        recipe: what it does.
        manifest: what came of its stages.
        display: where it tells how far it is.
        processes: how many processes train.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, manifest: Manifest, display: Display | None = None, processes: int = 1
    ) -> None:
        self.folder, self.recipe, self.manifest = folder, recipe, manifest
        self.display, self.processes = display or _Silent(), processes

    @classmethod
    def open(cls, folder: Path) -> Run:
        """The run that lies in a folder, to be read.

        Raises:
            UserError: there is none, or one that a version made whose runs can't be read.
        """
        manifest = read_manifest(folder)
        if manifest is None:
            raise UserError(f"{folder}: no {_MANIFEST} there; give a run directory, such as runs/demo")
        path = folder / _RECIPE
        try:
            recipe = Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise UserError(f"{path}: not the recipe that a run leaves there ({str(error).splitlines()[0]})") from error
        return cls(folder, recipe, manifest)

    @property
    def systems(self) -> tuple[str, ...]:
        """The untuned student, and the student after each step."""
        return self.recipe.systems

    @property
    def student(self) -> Student:
        """The recipe's student; its prompt and template are the run's own copies, where it keeps them."""
        kept = {key: str(path) for key, path in self.words.items() if path.exists()}
        return self.recipe.student.model_copy(update=kept)

    def taught(self, step: Distil) -> Distil:
        """A distillation step; the file that its teacher is told is the run's own copy, where it keeps one."""
        path = self.teacher_prompt(step)
        return step.model_copy(update={"teacher_prompt": str(path)}) if path.exists() else step

    @property
    def trained(self) -> Recipe:
        """The recipe as it is trained by: with the run's own copies of what student and teachers are told."""
        steps = [self.taught(step) if isinstance(step, Distil) else step for step in self.recipe.steps]
        return self.recipe.model_copy(update={"student": self.student, "steps": steps})

    def teacher_prompt(self, step: Distil) -> Path:
        """Where the run keeps what a distillation's teacher is told, where that is a file's text."""
        return self.path(f"{step.name}-teacher-prompt.txt")

    @property
    def words(self) -> dict[str, Path]:
        """Where the run keeps what its student is trained on beside the dialogues, by the key of `student`."""
        return {"prompt": self.path("prompt.txt"), "template": self.path("template.jinja")}

    def path(self, *parts: str) -> Path:
        """A place in the run's folder, for stages that write what no other reads."""
        return self.folder.joinpath(*parts)

    @property
    def recipe_file(self) -> Path:
        """The resolved recipe."""
        return self.path(_RECIPE)

    @property
    def dialogues_file(self) -> Path:
        """All dialogues with their splits."""
        return self.path("dialogues.jsonl")

    @property
    def teacher_file(self) -> Path:
        """What the teacher replied."""
        return self.path("teacher.jsonl")

    def corpus(self, part: CorpusPart) -> Path:
        """The examples or the preference pairs to learn from."""
        return self.path("corpus", f"{part}.jsonl")

    def lessons(self, step: Training) -> Path:
        """What a step learns from: a part of the corpus, or what was made of the student's own replies."""
        if step.lessons_name:
            return self.path("student", f"{step.lessons_name}.jsonl")
        return self.corpus(step.part)

    def adapter(self, step: str) -> Path:
        """The PEFT adapter that a step wrote."""
        return self.path("student", step)

    def history(self, step: str) -> Path:
        """A step's figures, a row a step of the optimiser among them."""
        return self.path("student", f"{step}.json")

    def checkpoints(self, step: str) -> Path:
        """What a step that was killed goes on from."""
        return self.path("student", f".{step}-checkpoints")

    def start(self, step: str) -> Path | None:
        """The adapter that a step goes on from; None for the first."""
        before = self.recipe.before(step)
        return None if before == self.systems[0] else self.adapter(before)

    def gguf(self, system: str, quant: str | None = None) -> Path:
        """The file of a system; by default the one that is judged, of the first quant."""
        return self.path("phone", f"{system}-{quant or self.recipe.phone.quants[0]}.gguf")

    def replies(self, system: str) -> Path:
        """What a system replied to the test dialogues."""
        return self.path("replies", f"{system}.jsonl")

    def verdicts(self, a: str, b: str) -> Path:
        """Who won each dialogue of a pair of systems. Names of steps hold no dot, so no two pairs share a file."""
        return self.path("verdicts", f"{a}.{b}.jsonl")

    @property
    def lost_file(self) -> Path:
        """What training cost, once that was measured."""
        return self.path("lost.json")

    @property
    def votes_file(self) -> Path:
        """People's votes."""
        return self.path("votes.sqlite")

    @property
    def summary_file(self) -> Path:
        """The figures of the run."""
        return self.path("summary.json")

    @property
    def page_file(self) -> Path:
        """The page to read."""
        return self.path("report.html")

    @property
    def tables_folder(self) -> Path:
        """Every table of the page as CSV and LaTeX."""
        return self.path("tables")

    @property
    def export_file(self) -> Path:
        """What was exported last, wherever the files lie."""
        return self.path(exports.FILE)

    def export(self) -> Export | None:
        """What was exported last; None where nothing was, or where the student was trained anew since.

        Raises:
            UserError: another version wrote it.
        """
        if not self.export_file.exists():
            return None
        found = exports.read(self.folder)
        return found if found.adapter == self.adapter_hash(found.system) else None

    def adapter_hash(self, system: str) -> str | None:
        """The hash of a system's adapter; None where it has none."""
        adapter = self.adapter(system)
        return files.sha256(adapter) if adapter.is_dir() else None

    def summary(self) -> Summary:
        """The figures of the run, as it wrote them.

        Raises:
            UserError: it wrote none yet.
        """
        return artefacts.read(self.summary_file, Summary)

    def dialogues(self, split: str) -> list[Dialogue]:
        """The run's dialogues of a split, in the source's order."""
        return list(self.each_dialogue(split))

    def each_dialogue(self, split: str) -> Iterator[Dialogue]:
        """The same one by one, for what should not grow with their number."""
        rows = files.read_jsonl(self.dialogues_file)
        return (Dialogue.from_row(row) for row in rows if row["split"] == split)

    @property
    def ledger_file(self) -> Path:
        """The run's ledger, or the one it shares."""
        return Path(self.recipe.ledger) if self.recipe.ledger else self.path("ledger.sqlite")

    def ledger(self) -> closing[Ledger]:
        """The ledger, for a `with` block."""
        return closing(Ledger(self.ledger_file))

    def counter(self, total: int) -> Callable[[], None]:
        """What to call once for each of so many steps of a stage, for the display."""
        done = itertools.count(1)
        return lambda: self.display.step(next(done), total)

    def save(self) -> None:
        """Write the recipe and the manifest."""
        files.write_text(self.recipe_file, self.recipe.to_yaml())
        files.write_json(self.path(_MANIFEST), self.manifest.model_dump(mode="json"))
