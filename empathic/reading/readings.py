"""Readings as a file holds them: one row for each reply and reader, with the texts that were read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from empathic import files
from empathic.errors import UserError
from empathic.reading.rubric import NAMES, Grades, grades

KINDS = ("person", "model")
_TEXTS = ("system", "id", "reply", "reader")
Item = tuple[str, str, str, str]  # what was read: system, set, id, reply


@dataclass(frozen=True)
class Reading:
    """One reader's grades of one reply.

    Attributes:
        system: whose reply it is.
        id: the dialogue's.
        utterance: the message; empty where its licence keeps it out of the file.
        reply: the reply, whole.
        grades: what the reader gave it.
        reader: who read.
        kind: person or model; empty where the file doesn't say.
        when: the time in UTC, as ISO 8601; empty where the file doesn't say.
        rubric: the version that was read by.
        set: which dialogues the reply belongs to, where a file holds several sets.
        second: whether it was read to state agreement, and counts for nothing else if another reading is there.
        sheet: the SHA-256 of the sheet it was read on, if any.
    """

    system: str
    id: str
    utterance: str
    reply: str
    grades: Grades
    reader: str
    kind: str = ""
    when: str = ""
    rubric: str = ""
    set: str = ""
    second: bool = False
    sheet: str = ""

    @property
    def item(self) -> Item:
        """What was read. Replies of one system to one message in other words are others."""
        return self.system, self.set, self.id, self.reply

    def to_row(self) -> dict[str, Any]:
        """The reading as a file holds it; fields that say nothing are left out."""
        row = asdict(self)
        given = row.pop("grades")
        order = ("system", "set", "id", "utterance", "reply", *NAMES, "reader", "kind", "when", "rubric")
        row = {**row, **given}
        rest = {key: row[key] for key in ("second", "sheet") if row[key]}
        return {key: row[key] for key in order if row[key] != "" or key == "reply"} | rest


def of_row(row: dict[str, Any]) -> Reading:
    """The inverse of `Reading.to_row`; `send` may also be y or n.

    Raises:
        ValueError: a text or a grade is missing or out of range; says which.
    """
    for key in _TEXTS:
        if not isinstance(row.get(key), str):
            raise ValueError(f"no text under {key!r}; want {', '.join((*_TEXTS, *NAMES))} in every row")
    if not row["reader"].strip():
        raise ValueError("no name under 'reader'")
    given = grades([row.get(name) for name in NAMES])
    about = {key: str(row.get(key) or "") for key in ("utterance", "kind", "when", "rubric", "set", "sheet")}
    return Reading(**{key: row[key] for key in _TEXTS}, grades=given, second=row.get("second") is True, **about)


def read(paths: Sequence[Path]) -> list[Reading]:
    """The readings of several files; one that stands in two of them is taken once.

    Raises:
        UserError: no readings, a row that is none, or one reader's differing grades of one reply; names the line.
    """
    found: list[Reading] = []
    for path in paths:
        found += rows(path, files.read_jsonl(path))
    if not found:
        raise UserError(f"{', '.join(map(str, paths))}: no readings in it; want one JSON object a line")
    return once(found, str(paths[-1]))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from the file while the block reads and rewrites it.

    Raises:
        UserError: the folder can't be written.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire()
    except OSError as error:
        raise UserError(f"{path}: can't be written ({error.strerror or error}); mend that and run again") from error
    try:
        yield
    finally:
        lock.release()


def rows(path: Path, given: Iterable[dict[str, Any]]) -> Iterator[Reading]:
    """The readings in a file's rows.

    Raises:
        UserError: a row that is none; names the line.
    """
    for number, row in enumerate(given, 1):
        try:
            yield of_row(row)
        except ValueError as error:
            raise UserError(f"{path}:{number}: {error}") from error


def once(readings: Iterable[Reading], where: str) -> list[Reading]:
    """Each reader's reading of each reply once.

    Raises:
        UserError: a reader's grades of one reply differ.
    """
    kept: dict[tuple[str, Item], Reading] = {}
    for one in readings:
        before = kept.setdefault((one.reader, one.item), one)
        if before.grades != one.grades:
            raise UserError(
                f"{where}: {one.reader} graded the reply of {one.system} to {one.id!r} twice, and not alike; keep one"
            )
    return list(kept.values())
