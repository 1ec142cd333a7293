"""A run's `readings.json`: all readings of its replies, and the figures that the report shows.

`current` is what a report calls: replies that a student no longer gives are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.reading import readings, runs
from empathic.reading.rates import figures
from empathic.reading.readings import Reading

NAME = "readings.json"


def add(run: Path, found: Sequence[Reading]) -> None:
    """Add readings to a run; those of a reader who read the same reply before are replaced."""
    path = run / NAME
    with readings.locked(path):
        merged = {(one.reader, one.item): one for one in [*_read(run), *found]}
        files.write_json(path, figures([*merged.values()]) | {"readings": [one.to_row() for one in merged.values()]})


def current(run: Path) -> dict[str, Any] | None:
    """The figures of `rates.figures`, of the replies that the run's systems give now; None where none was read.

    `stale` is how many readings are of other replies.

    Raises:
        UserError: the file is not of this form.
    """
    found = _read(run)
    if not found:
        return None
    asked = runs.dialogues(run)
    said = {system: runs.said(run, system, asked) for system in {one.system for one in found}}
    fresh = [one for one in found if said[one.system].get(one.id) == one.reply]
    return figures(fresh) | {"stale": len(found) - len(fresh)}


def _read(run: Path) -> list[Reading]:
    path = run / NAME
    if not path.exists():
        return []
    try:
        return list(readings.rows(path, files.read_json(path)["readings"]))
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not a run's readings; move it away and take the answers again") from error
