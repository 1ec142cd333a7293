"""The student that a site holds: its file, what it was told in training, how it picks its words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from empathic import models
from empathic.conversation.speaker import Sampling
from empathic.conversation.speakers import chosen, sampling
from empathic.errors import UserError
from empathic.phone import gguf_file
from empathic.recipe.sections import Student as Settings
from empathic.run import Run
from empathic.student import prompt

WINDOW = 2048  # tokens of a conversation at most: half of what a computer gives one, for a phone's memory


@dataclass(frozen=True)
class Student:
    """Who answers on a site.

    Attributes:
        name: what it is called there.
        path: its GGUF file.
        told: the instruction that it was trained under; None where none is known.
        sampling: as its recipe says.
        window: tokens that a conversation may have, its reply included.
    """

    name: str
    path: Path
    told: str | None
    sampling: Sampling
    window: int


def student(run: Path | None, system: str | None, model: str | None) -> Student:
    """The student of a run, or a GGUF file's.

    Args:
        run: a run's folder; None for a file alone, whose instruction isn't known.
        system: which system of it; None for the last step's.
        model: a GGUF file or a known model's name; with a run, another file of its student, such as an export's.

    Raises:
        UserError: neither run nor file, no such system or file, or one that isn't whole.
    """
    if run is None and model is None:
        raise UserError(
            "name a run, or a .gguf file with --model; the student that comes along is too large for phones"
        )
    if run is None:
        if system:
            raise UserError("--system: a file has no systems; name a run too")
        path = models.gguf(str(model))
        return Student(path.stem, path, None, sampling(Settings()), _window(path))
    opened = Run.open(run)
    name = chosen(system, None, opened.systems)[0]
    path = models.gguf(model) if model else opened.gguf(name)
    if not path.exists():
        raise UserError(f"{path}: {name} has no file yet; go on with the run up to its stage phone")
    settings = opened.student
    told = prompt.instruction(settings.prompt)
    return Student(name, path, told, sampling(settings, opened.recipe.seed), _window(models.gguf(str(path))))


def _window(path: Path) -> int:
    keys = gguf_file.read(path).keys
    return min(WINDOW, int(keys.get(f"{keys.get('general.architecture')}.context_length", WINDOW)))
