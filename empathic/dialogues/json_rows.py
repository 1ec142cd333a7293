"""Rows of JSON: an object a line, an array of objects, or an object that holds such arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from empathic.errors import UserError

Rows = Iterator[tuple[str, Mapping[str, Any]]]
_CHUNK = 1 << 16  # characters


def lines(path: Path, text: TextIO) -> Rows:
    """An object a line.

    Raises:
        UserError: a line that holds none.
    """
    for number, line in enumerate(text, 1):
        if "\0" in line:
            raise UserError(f"{path}:{number}: holds a NUL character; save the file as plain UTF-8 text")
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path}:{number}: not JSON ({error}); want one object a line") from error
        yield f"{path}:{number}", _object(f"{path}:{number}", row)


def array(path: Path, text: TextIO) -> Rows:
    """An array of objects, read piece by piece: the file is never in memory.

    Raises:
        UserError: something between the brackets that is no object.
    """
    decoder = json.JSONDecoder()
    buffer, size, line = text.read(_CHUNK), _CHUNK, 1
    while "[" not in buffer and (more := text.read(_CHUNK)):
        buffer += more
    at = buffer.index("[") + 1
    line += buffer.count("\n", 0, at)
    while True:
        begin = at
        while at < len(buffer) and buffer[at] in " \t\r\n,":
            at += 1
        line += buffer.count("\n", begin, at)
        if buffer[at : at + 1] == "]":
            if (buffer[at + 1 :] + text.read(_CHUNK)).strip():
                raise UserError(f"{path}:{line}: more stands after the array; want one array, or one object a line")
            return
        try:
            row, end = decoder.raw_decode(buffer, at)
        except ValueError as error:
            if not (more := text.read(size)):
                raise UserError(f"{path}:{line}: not JSON ({error}); the array doesn't go on as one") from error
            buffer, at, size = buffer[at:] + more, 0, size * 2
            continue
        yield f"{path}:{line}", _object(f"{path}:{line}", row)
        line += buffer.count("\n", at, end)
        buffer, at, size = (buffer[end:], 0, _CHUNK) if end > _CHUNK else (buffer, end, _CHUNK)


def wrapping(path: Path, text: TextIO) -> Rows:
    """An object that holds arrays of rows; each has the name of its array as split, where that is one.

    Raises:
        UserError: it holds none.
    """
    try:
        found = json.loads(text.read().lstrip("\ufeff"))
    except ValueError as error:
        number = getattr(error, "lineno", 1)
        raise UserError(f"{path}:{number}: not JSON ({error}); want one object a line, or an array of them") from error
    sides = wrapped(_object(str(path), found))
    if sides is None:
        yield f"{path}:1", found
        return
    for side, held in sides.items():
        for number, row in enumerate(held, 1):
            yield f"{path}:{side}:{number}", {"split": side, **row} if len(sides) > 1 else row


def wrapped(found: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]] | None:
    """The arrays of rows in an object that is no row itself: those of its splits, or its only one."""
    held = {
        str(key): value
        for key, value in found.items()
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value)
    }
    turns = any("role" in row or "from" in row for rows in held.values() for row in rows)
    if not held or turns or any(isinstance(found.get(key), str) for key in ("id", "utterance")):
        return None
    return held


def _object(place: str, row: Any) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise UserError(f"{place}: want a JSON object, got {type(row).__name__}")
    return row


READERS: dict[str, Callable[[Path, TextIO], Rows]] = {
    "JSON lines": lines,
    "JSON array": array,
    "JSON object": wrapping,
}
