"""What is to be read: replies of runs, of reply files, and of readings that others gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.judge.replies import read_replies
from empathic.reading import readings, runs
from empathic.run import exports


@dataclass(frozen=True)
class ToRead:
    """A system's reply to a message.

    `also` are the same reply to the same message by other systems: it is read once and counts for all of them.
    """

    system: str
    id: str
    utterance: str
    reply: str
    set: str = ""
    also: tuple[ToRead, ...] = ()

    @property
    def message(self) -> str:
        """The message by its words alone, which tells whether two replies answer the same one."""
        return " ".join(self.utterance.split())


def gather(
    sources: Sequence[str], systems: Sequence[str] = (), split: str = "test", log: Callable[[str], None] = print
) -> list[ToRead]:
    """The replies of all sources.

    Args:
        sources: run directories; exports' folders, of which every file is a system; files of replies, as NAME=FILE or
            FILE, which its name then names; files of readings.
        systems: which systems of runs; default: all that have a file of replies. Known replies go by their origin,
            replies of exported files by the file's name.
        split: which dialogues of runs.
        log: told of readings without their message, which can't be read again.

    Raises:
        UserError: a source that is none of these, a system that no run has, or two systems of one name.
    """
    folders = [Path(source) for source in sources if Path(source).is_dir() and not exports.is_export(Path(source))]
    found: list[ToRead] = []
    for source in sources:
        if exports.is_export(Path(source)):
            new = _of_export(Path(source))
        elif Path(source).is_dir():
            prefix = f"{Path(source).resolve().name}/" if len(folders) > 1 else ""
            new = _of_run(Path(source), systems, split, prefix)
        else:
            new = _of_file(source, log)
        there = set(found)
        new = [one for one in map(_writable, new) if one not in there]  # a run's, and its export's once more
        taken = {one.system for one in found} & {one.system for one in new}
        if taken:
            raise UserError(f"{source}: there is a system {min(taken)!r} already; give it another name, as NAME=FILE")
        found += new
    if systems and not folders:
        raise UserError("--systems: chooses among the systems of runs, and no run was given")
    return found


def _writable(one: ToRead) -> ToRead:
    """The same without halves of surrogate pairs, which JSON can hold and UTF-8 can't."""
    utterance, reply = (text.encode(errors="replace").decode() for text in (one.utterance, one.reply))
    return replace(one, utterance=utterance, reply=reply)


def _of_run(run: Path, systems: Sequence[str], split: str, prefix: str) -> list[ToRead]:
    """The replies of a run's systems to the dialogues of a split."""
    asked = runs.dialogues(run, [split])
    if not asked:
        raise UserError(f"{run}: no dialogues of the split {split!r}; give another with --split")
    there = runs.systems(run)
    known = sorted({origin for d in asked for origin in d.replies})
    found = []
    for system in systems or there:
        said = runs.said(run, system, asked)
        new = [ToRead(prefix + system, d.id, d.utterance, said[d.id]) for d in asked if d.id in said]
        if not new:
            choice = ", ".join(dict.fromkeys([*there, *known, *runs.exported(run)])) or "none"
            raise UserError(f"{run}: no replies of {system!r} to the {split} dialogues; it has replies of: {choice}")
        found += new
    if not found:
        raise UserError(f"{run}: no replies there; go on with the run until its stage 'replies' is done")
    return found


def _of_export(folder: Path) -> list[ToRead]:
    """The replies of an export's files."""
    found = []
    for file in exports.replied(folder):
        tested, said = read_replies(exports.replies(folder, file))
        found += [ToRead(file, d.id, d.utterance, said[d.id]) for d in tested]
    if not found:
        raise UserError(f"{folder}: its files replied to nothing yet; `empathic export RUN --replies N` has them reply")
    return found


def _of_file(source: str, log: Callable[[str], None]) -> list[ToRead]:
    """The replies of a file, in either form."""
    name, equals, where = source.partition("=")
    path = Path(source)
    if equals and not path.exists():
        path = Path(where)
    else:
        name = path.stem
    if not name.strip() or not path.is_file():
        raise UserError(
            f"{source}: neither a run directory, an export nor a file of replies; want RUN, NAME=FILE or FILE"
        )
    first: dict[str, Any] = next(files.read_jsonl(path), {})
    if "system" in first and "understood" in first:
        return list(_of_readings(path, log))
    tested, said = read_replies(path)
    return [ToRead(name, d.id, d.utterance, said[d.id]) for d in tested]


def _of_readings(path: Path, log: Callable[[str], None]) -> Iterator[ToRead]:
    """Every reply that somebody read, once."""
    found = {one.item: one for one in readings.rows(path, files.read_jsonl(path))}.values()
    if bare := sum(not one.utterance for one in found):
        log(f"{path}: {bare} of {len(found)} replies stand there without their message, and are left out")
    for one in found:
        if one.utterance:
            yield ToRead(one.system, one.id, one.utterance, one.reply, one.set)
