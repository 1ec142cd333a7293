"""A key as it is read back: which replies stand under a sheet's numbers, checked against the sheet's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.reading.replies import ToRead
from empathic.reading.sheets import KEY, Sheet


@dataclass(frozen=True)
class Key:
    """The sheets of a folder by name, the rubric's version they are read by, and the run that all replies come from."""

    sheets: dict[str, Sheet]
    rubric: str
    run: Path | None


def read(folder: Path) -> Key:
    """The key of a folder of sheets.

    Raises:
        UserError: there is none, or it doesn't fit a sheet that lies there.
    """
    path = folder / KEY
    if not path.exists():
        raise UserError(f"{folder}: no {KEY} there; give a folder that `empathic read sheets` made")
    given: Any = files.read_json(path)
    try:
        sheets = {one["name"]: _sheet(one) for one in given["sheets"]}
        key = Key(sheets, str(given["rubric"]), folder / given["run"] if given["run"] else None)
        hashes = {one["name"]: one["sha256"] for one in given["sheets"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a key as `empathic read sheets` writes it; make the sheets anew") from error
    for name, sheet in sheets.items():
        shown = folder / f"{name}.txt"
        if sheet.sha256 != hashes[name] or (shown.exists() and files.sha256(shown) != hashes[name]):
            raise UserError(f"{path}: doesn't fit {shown.name} (its hash is another); put back the two that were made")
    return key


def _sheet(given: dict[str, Any]) -> Sheet:
    return Sheet(given["name"], tuple(map(_to_read, given["replies"])), given["second"])


def _to_read(given: dict[str, Any]) -> ToRead:
    texts = {key: given[key] for key in ("system", "id", "utterance", "reply", "set")}
    return ToRead(**texts, also=tuple(map(_to_read, given.get("also", ()))))
