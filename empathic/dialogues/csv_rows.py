"""How a CSV parts and quotes its fields, told by its content, and the rows in it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic.dialogues.encodings import open_text, reading
from empathic.errors import UserError

_QUOTES: dict[str, dict[str, Any]] = {
    "doubled": {},
    "backslash": {"escapechar": "\\", "doublequote": False},
    "none": {"quoting": csv.QUOTE_NONE},
}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Dialect:
    """How a CSV is written.

    Attributes:
        delimiter: between the fields.
        quotes: how quotes are quoted: doubled, by a backslash, or not at all.
        begins: the line of the header; 2 after Excel's `sep=;`.
    """

    delimiter: str
    quotes: str = "doubled"
    begins: int = 1


def dialect(path: Path, encoding: str, first: str, number: int, usual: str) -> Dialect:
    """How a CSV parts and quotes its fields: the way in which all rows have as many as the header.

    Args:
        path: the file.
        encoding: of its text.
        first: its first line that isn't empty.
        number: of that line, from 1.
        usual: the delimiter to go by where the content leaves it open.
    """
    csv.field_size_limit(1 << 27)
    if said := re.fullmatch(r'\ufeff?"?sep=([^"\r\n])"?[\r\n]*', first):
        return Dialect(said[1], begins=number + 1)
    bare = re.sub(r'"[^"]*"', "", first)
    there = [d for d in dict.fromkeys((usual, ",", ";", "\t", "|")) if d in bare] or [usual]
    ways = [Dialect(d, q, number) for d in there for q in _QUOTES if q != "none" or d == "\t"]
    if len(there) == 1 and (there[0] not in bare):  # one column: no text of it is to be parted
        ways += [Dialect(d, begins=number) for d in "\x1f"]
    scores = [(*_fit(path, encoding, way), -place) for place, way in enumerate(ways)]
    return ways[-max(scores)[-1]]


def _fit(path: Path, encoding: str, way: Dialect) -> tuple[bool, int]:
    """Whether a dialect reads a whole file, and the number of columns it finds there."""
    columns = 0
    if way.quotes == "backslash":  # such a reader bears anything: it is right only where there are such quotes
        with open_text(path, encoding) as text:
            if not any('\\"' in line for line in text):
                return False, 0
    try:
        for _, row in _records(path, encoding, way):
            columns = columns or len(row)
            if len(row) != columns and any(row):
                return False, 0
    except csv.Error:
        return False, 0
    return True, columns


def _records(path: Path, encoding: str, way: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV, the header among them, each with the line that it begins on; empty lines are none."""
    with open_text(path, encoding) as text:
        for _ in range(1, way.begins):
            next(text)
        reader = csv.reader(text, delimiter=way.delimiter, strict=True, **_QUOTES[way.quotes])
        line = way.begins
        try:
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + way.begins
        except csv.Error as error:
            raise csv.Error(f"{line}: not CSV ({error})") from error


def header(path: Path, encoding: str, way: Dialect) -> list[str]:
    """The names of a CSV's columns; none where its first line is broken."""
    try:
        return next(([name.strip() for name in record] for _, record in _records(path, encoding, way)), [])
    except csv.Error:
        return []


def rows(path: Path, encoding: str, way: Dialect) -> Iterator[tuple[str, Row]]:
    """Yield (file:line, row) of a CSV; a row that is blank may have any number of fields.

    Raises:
        UserError: a broken row, or none; names the line.
        UnicodeDecodeError: it isn't in that encoding.
        OSError, EOFError, zlib.error: it can't be read to its end.
    """
    names: list[str] = []
    count = 0
    try:
        for line, record in _records(path, encoding, way):
            if any("\0" in value for value in record):
                raise UserError(f"{path}:{line}: holds a NUL character; save the file as plain UTF-8 text")
            if not names:
                names = [name.strip() for name in record]
                continue
            count += 1
            if any(record) and (len(record) < len(names) or any(record[len(names) :])):
                raise UserError(f"{path}:{line}: not as many fields as the header has; check its commas and quotes")
            yield f"{path}:{line}", {**dict.fromkeys(names, ""), **dict(zip(names, record, strict=False))}
    except csv.Error as error:
        raise UserError(f"{path}:{error}; check its quotes") from error
    if not count:
        raise UserError(f"{path}: a header and no rows; want a dialogue a row")


def is_rewritten(path: Path, encoding: str, way: Dialect) -> bool:
    """Whether a table with the columns of EmpatheticDialogues isn't its original: quotes in it are a CSV writer's.

    In the original no field holds a comma, and a row with an open quote has fewer fields where quotes count.
    """
    with reading(path):
        if not _fit(path, encoding, way)[0]:
            return False
        if any("," in value or "\n" in value for _, record in _records(path, encoding, way) for value in record):
            return True
        with open_text(path, encoding) as text:
            return next(text).startswith('"') or any('""' in line for line in text)


def comma_rows(path: Path, encoding: str) -> Iterator[tuple[str, Row]]:
    """The rows of an original EmpatheticDialogues table, where a comma always parts and a quote is a mere character.

    Its eighth field, tags, is often empty; valid and test have candidates in a ninth, for which the header has no name.

    Raises:
        UserError: the file can't be read, isn't in that encoding, or a row has fewer fields than an utterance needs.
    """
    with reading(path), open_text(path, encoding) as text:
        names: list[str] = []
        for number, line in enumerate(text, 1):
            fields = line.strip("\r\n").split(",")
            if not names:
                names = fields
            elif any(field.strip() for field in fields):
                if len(fields) < min(6, len(names)):
                    raise UserError(f"{path}:{number}: {len(fields)} fields; an utterance has at least six")
                yield f"{path}:{number}", dict(zip(names, fields, strict=False))
