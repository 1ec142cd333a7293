"""A file of answers: which sheet it is to, and the grades of each number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from empathic.errors import UserError
from empathic.reading.rubric import NAMES, Grades, grades
from empathic.reading.sheets import Sheet, opening

_NAMED = 5  # numbers that a complaint names
_OPENING = re.compile(r"#\s*answers to (\S+)(?:\s+(\S+))?")


def read(path: Path, sheets: Mapping[str, Sheet]) -> tuple[Sheet, dict[int, Grades]]:
    """The sheet that a file answers, and its grades by number, one for each reply.

    The file's first line names the sheet and its hash. Without that line the file's name does, and where there is one
    sheet alone, it is that one.

    Raises:
        UserError: it answers another sheet, or a line is missing, doubled or wrong; names the line.
    """
    lines = _lines(path)
    sheet = _sheet(path, lines, sheets)
    found: dict[int, Grades] = {}
    bare = []
    for at, line in enumerate(lines, 1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        number = int(words[0]) if words[0].isascii() and words[0].isdigit() else 0
        if not 1 <= number <= len(sheet.replies):
            raise UserError(f"{path}:{at}: {words[0]!r} is no number of {sheet.name} (1 to {len(sheet.replies)})")
        if number in found or number in bare:
            raise UserError(f"{path}:{at}: number {number} stands twice; keep one line of the two")
        if len(words) == 1:
            bare.append(number)
            continue
        try:
            found[number] = grades(words[1:])
        except ValueError as error:
            raise UserError(f"{path}:{at}: {error}") from error
    if missing := [number for number in range(1, len(sheet.replies) + 1) if number not in found]:
        named = ", ".join(map(str, missing[:_NAMED])) + (", …" if len(missing) > _NAMED else "")
        raise UserError(
            f"{path}: no grades for {len(missing)} of {len(sheet.replies)} numbers of {sheet.name} ({named})"
        )
    return sheet, found


def alike(found: Mapping[int, Grades]) -> bool:
    """Whether a reader of several replies graded all of them the same, which says more of the reader than of them."""
    return len(found) >= len(NAMES) and len(set(found.values())) == 1


def _lines(path: Path) -> list[str]:
    """The lines of a file in UTF-8.

    Raises:
        UserError: it can't be read, or a line is in no UTF-8; names the line.
    """
    try:
        given = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror or error})") from error
    try:
        return given.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = given[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: not UTF-8; save the file as plain text in UTF-8") from error


def _sheet(path: Path, lines: list[str], sheets: Mapping[str, Sheet]) -> Sheet:
    """The sheet that a file answers."""
    opens = next((found for line in lines if (found := _OPENING.match(line))), None)
    named = re.search(r"(?:sheet|second)-\d+", path.stem)
    name = opens[1] if opens else named[0] if named else next(iter(sheets)) if len(sheets) == 1 else ""
    if not name:
        raise UserError(
            f"{path}: neither its first line nor its name says which sheet it answers; name it sheet-01.txt"
        )
    if name not in sheets:
        raise UserError(f"{path}: answers {name}, and there is no such sheet; there is {', '.join(sheets)}")
    sheet = sheets[name]
    if opens and named and named[0] != name:
        raise UserError(f"{path}: its first line says {name}, and its name {named[0]}; which of the two was read?")
    if opens and opens[2] and opens[0].split()[-1] != opening(name, sheet.sha256).split()[-1]:
        raise UserError(f"{path}: answers the {name} of other sheets (its hash is another); give the folder it is from")
    return sheet
