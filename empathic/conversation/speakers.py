"""Who can be talked to: the systems of a run, any GGUF file, and the student that comes with the package."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path

from empathic import models
from empathic.conversation.engine import Engine
from empathic.conversation.guard import Guard
from empathic.conversation.speaker import Sampling, Speaker
from empathic.errors import UserError
from empathic.phone import adapters
from empathic.recipe.sections import Student
from empathic.recipe.steps import BASE
from empathic.run import Run
from empathic.student import prompt

# The student that comes along; its card is beside its file.
_NAME, _ADAPTER = "everyday", "qwen2.5-coder-1.5b-everyday.gguf"
_STUDENT = Student(model="qwen2.5-coder-1.5b", prompt="brief")


@contextmanager
def open_speakers(
    run: Path | None = None,
    system: str | None = None,
    beside: str | None = None,
    model: str | None = None,
    slots: int = 1,
    guard: Guard | None = None,
    log: Callable[[str], None] = print,
) -> Iterator[list[Speaker]]:
    """Load whom one wants to talk to, for as long as the block lasts.

    Args:
        run: a run's folder; None, and no `model`, for the student that comes with the package.
        system: which system of it; None for the last step's.
        beside: another system that is to answer too.
        model: a GGUF file, or a known model's name, in place of a run. What it was told in training isn't known.
        slots: how many conversations each may have at a time.
        guard: the safety gate that all of them are behind; None lets the models answer whatever is said.
        log: told of a model being fetched.

    Yields:
        One speaker, or two.

    Raises:
        UserError: no such run, system or file, or a file that can't be read.
    """
    with ExitStack() as stack:
        if model is not None:
            if run or system or beside:
                raise UserError("--model stands alone: a file has neither a run nor systems")
            found = [_file(model, slots, stack, log)]
        elif run is not None:
            found = _of_run(Run.open(run), system, beside, slots, stack)
        else:
            found = _shipped(system, beside, slots, stack, log)
        yield [guard.around(one) for one in found] if guard else found


def _file(name: str, slots: int, stack: ExitStack, log: Callable[[str], None]) -> Speaker:
    path = models.gguf(name, log)
    return Speaker(path.stem, path.name, _engine(path, slots, stack), None, sampling(Student()))


def _of_run(run: Run, system: str | None, beside: str | None, slots: int, stack: ExitStack) -> list[Speaker]:
    settings = run.student
    told = prompt.instruction(settings.prompt)
    picked = sampling(settings, run.recipe.seed)
    wanted = chosen(system, beside, run.systems)
    paths = {name: run.gguf(name) for name in wanted}
    for name, path in paths.items():
        if not path.exists():
            raise UserError(f"{path}: {name} has no file yet; go on with the run up to its stage phone")
    return [
        Speaker(name, path.name, _engine(models.gguf(str(path)), slots, stack), told, picked)
        for name, path in paths.items()
    ]


def _shipped(
    system: str | None, beside: str | None, slots: int, stack: ExitStack, log: Callable[[str], None]
) -> list[Speaker]:
    """The base and the adapter that comes along: one file in memory, whoever is asked."""
    wanted = chosen(system, beside, (BASE, _NAME))
    base = models.gguf(_STUDENT.model, log)
    with resources.as_file(resources.files("empathic") / "data" / "students" / _ADAPTER) as packed:
        adapter = adapters.unpacked(packed)
    engine = _engine(base, slots * len(wanted), stack, adapter)
    told, picked = prompt.instruction(_STUDENT.prompt), sampling(_STUDENT)
    files = {BASE: base.name, _NAME: f"{base.name} + {_ADAPTER}"}
    return [
        Speaker(
            *(name, files[name], engine, told, picked),
            scale=float(name == _NAME),
            slots=range(at * slots, (at + 1) * slots),
        )
        for at, name in enumerate(wanted)
    ]


def chosen(system: str | None, beside: str | None, systems: Sequence[str]) -> list[str]:
    """The systems that were asked for, each once."""
    chosen = [system or systems[-1], *([beside] if beside else [])]
    for name in chosen:
        if name not in systems:
            close = difflib.get_close_matches(name, systems, 1)
            raise UserError(
                f"{name}: no such system; " + (f"did you mean {close[0]!r}?" if close else f"want {', '.join(systems)}")
            )
    if len({*chosen}) < len(chosen):
        raise UserError(f"{beside} beside itself: name another with --beside")
    return chosen


def _engine(path: Path, slots: int, stack: ExitStack, adapter: Path | None = None) -> Engine:
    engine = Engine(path, slots, adapter)
    stack.callback(engine.close)
    return engine


def sampling(student: Student, seed: int = 0) -> Sampling:
    """How a student of these settings picks its words."""
    return Sampling(student.max_tokens, student.temperature, seed)
