"""A run's `readings.json`: all readings of its replies, and the figures that the report shows.

`current` is what a report calls: replies that a student no longer gives are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from empathic import files
from empathic.judge.replies import read_replies
from empathic.reading import readings
from empathic.reading.rates import figures
from empathic.reading.readings import Reading
from empathic.run import dialogues_of

NAME = "readings.json"


def add(run: Path, found: Sequence[Reading]) -> None:
    """Add readings to a run; those of a reader who read the same reply before are replaced."""
    path = run / NAME
    with FileLock(run / f".{NAME}.lock"):
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
    said = _said(run, {one.system for one in found})
    fresh = [one for one in found if said.get(one.system, {}).get(one.id) == one.reply]
    return figures(fresh) | {"stale": len(found) - len(fresh)}


def _read(run: Path) -> list[Reading]:
    path = run / NAME
    return list(readings.rows(path, files.read_json(path)["readings"])) if path.exists() else []


def _said(run: Path, systems: set[str]) -> dict[str, dict[str, str]]:
    """What systems reply: of a student's file, else as it came with the dialogues."""
    found: dict[str, dict[str, str]] = {}
    for system in systems:
        path = run / "replies" / f"{system}.jsonl"
        if path.exists():
            found[system] = read_replies(path)[1]
    for d in (d for split in ("train", "validation", "test") for d in dialogues_of(run, split)):
        for system in (systems - found.keys()) & d.replies.keys() if systems - found.keys() else ():
            found.setdefault(f"={system}", {})[d.id] = d.replies[system].text
    return {system.removeprefix("="): said for system, said in found.items()}
