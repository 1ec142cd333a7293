"""Votes in SQLite: one per rater and pair, written before they are confirmed."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

_OUTCOMES = {"a": 1.0, "b": 0.0, "equal": 0.5, "skip": None}
_TABLE = """
CREATE TABLE IF NOT EXISTS votes (
    rater TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, dialogue TEXT NOT NULL,
    outcome REAL, left_side TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (rater, a, b, dialogue)
)
"""


class Ballots:
    """The votes on two systems of a run; several threads and processes may use the file at once.

    Args:
        path: the SQLite file, made when absent.
        a: a system's name.
        b: the other's.
    """

    def __init__(self, path: Path, a: str, b: str) -> None:
        self.a, self.b = a, b
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.execute(_TABLE)

    def cast(self, rater: str, dialogue: str, choice: str, left: str) -> None:
        """Keep a vote for *a*, *b*, *equal* or *skip*, and who was on the left; a later vote replaces an earlier."""
        with self._lock:
            self._file.execute(
                "INSERT OR REPLACE INTO votes VALUES (?, ?, ?, ?, ?, ?, ?)",
                (rater, self.a, self.b, dialogue, _OUTCOMES[choice], left, time.time()),
            )

    def take_back(self, rater: str) -> None:
        """Forget a rater's last vote, if there is one."""
        with self._lock:
            self._file.execute(
                "DELETE FROM votes WHERE rowid = (SELECT rowid FROM votes WHERE rater = ? AND a = ? AND b = ? "
                "ORDER BY at DESC, rowid DESC LIMIT 1)",
                (rater, self.a, self.b),
            )

    def seen(self, rater: str) -> set[str]:
        """The dialogues that a rater voted on or skipped."""
        with self._lock:
            rows = self._file.execute(
                "SELECT dialogue FROM votes WHERE rater = ? AND a = ? AND b = ?", (rater, self.a, self.b)
            ).fetchall()
        return {row[0] for row in rows}

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def votes(path: Path) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """All votes of a file, skips left out: pair of systems -> rater -> dialogue -> outcome for the first system."""
    file = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        rows = file.execute(
            "SELECT a, b, rater, dialogue, outcome FROM votes WHERE outcome IS NOT NULL ORDER BY at"
        ).fetchall()
    finally:
        file.close()
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for a, b, rater, dialogue, outcome in rows:
        found.setdefault((a, b), {}).setdefault(rater, {})[dialogue] = outcome
    return found
