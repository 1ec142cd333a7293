"""How often the gate gave crisis help: a number a day and nothing else, kept only where somebody asks for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from filelock import FileLock

from empathic import files
from empathic.errors import UserError

_PATIENCE = 1  # seconds for another program to be done with the file; nobody in danger waits longer


def _today() -> date:
    return datetime.now(UTC).date()


class Referrals:
    """A JSON file, `{"2026-11-26": 3}`, by days of UTC; it holds no text, no time of day and nothing of anybody.

    Args:
        path: the file; made at the first referral. Several programs may share it.
        today: what day it is.

    Raises:
        UserError: what is there isn't such a file, or its folder can't be written.
    """

    def __init__(self, path: Path, today: Callable[[], date] = _today) -> None:
        if not path.name or path.is_dir():
            raise UserError(f"--count-referrals {path}: is a folder; name a file")
        self.path, self.today = path, today
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_PATIENCE)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._read()
        except OSError as error:
            raise UserError(f"--count-referrals {path}: can't be written ({error.strerror or error})") from error

    def add(self) -> None:
        """One more today. Where it can't be written, people are helped all the same, and stderr says so."""
        try:
            with self._lock:
                counts = self._read()
                day = self.today().isoformat()
                files.write_json(self.path, {**counts, day: counts.get(day, 0) + 1})
        except (OSError, UserError) as error:
            print(f"empathic: a referral wasn't counted ({error})", file=sys.stderr, flush=True)

    def _read(self) -> dict[str, int]:
        if not self.path.exists():
            return {}
        counts = files.read_json(self.path)
        if not isinstance(counts, dict) or not all(_counted(day, n) for day, n in counts.items()):
            raise UserError(f"{self.path}: no table of referrals, a number a day; give another file")
        return counts


def _counted(day: str, count: object) -> bool:
    try:
        return date.fromisoformat(day) is not None and type(count) is int and count >= 0
    except ValueError:
        return False
