"""Votes in SQLite: one per rater and pair, with what the rater saw, written before they are confirmed."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from empathic.errors import UserError
from empathic.vote.ballot_pairs import BallotPair, ordered

_OUTCOMES = {"a": 1.0, "b": 0.0, "equal": 0.5, "skip": None}
_TABLE = """
CREATE TABLE IF NOT EXISTS votes (
    rater TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, dialogue TEXT NOT NULL,
    outcome REAL, left_side TEXT NOT NULL, at REAL NOT NULL, shown TEXT,
    PRIMARY KEY (rater, a, b, dialogue)
)
"""


@dataclass(frozen=True)
class Vote:
    """What a rater said of two systems on a dialogue.

    Attributes:
        pair: the systems, as `ordered`.
        rater: who.
        dialogue: its id.
        outcome: 1, 0.5 or 0 for the first system.
        shown: `BallotPair.shown` of what the rater saw; empty where a version without it kept the vote.
    """

    pair: tuple[str, str]
    rater: str
    dialogue: str
    outcome: float
    shown: str


class Ballots:
    """The votes on two systems of a run, whichever way round; several threads and processes may use the file at once.

    Args:
        path: the SQLite file, made when absent; one of a version that didn't note what was shown gets the column.
        a: a system's name.
        b: the other's.
        systems: those that the run makes.

    Raises:
        UserError: the file is no database or can't be written; the methods, that they can't write or read it now.
    """

    def __init__(self, path: Path, a: str, b: str, systems: Sequence[str]) -> None:
        self.path = path
        self.a, self.b = ordered(a, b, systems)
        self._lock = threading.Lock()
        with _worded(f"{path}: not a file of votes that can be used", "move it away or mend that, and start again"):
            self._file = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA synchronous = FULL")
            self._set_up()

    def _set_up(self) -> None:
        """Make or complete the table, in one transaction that a second process waits for."""
        self._file.execute("BEGIN IMMEDIATE")
        self._file.execute(_TABLE)
        if "shown" not in _columns(self._file):
            self._file.execute("ALTER TABLE votes ADD COLUMN shown TEXT")
        self._file.execute("PRAGMA user_version = 1")  # a write always: a folder that takes none is told of now
        self._file.execute("COMMIT")

    def cast(self, rater: str, pair: BallotPair, choice: str, left: str) -> None:
        """Keep a vote for *a*, *b*, *equal* or *skip*, and who was on the left; a later vote replaces an earlier."""
        with self._lock, _worded(f"{self.path}: the vote is not kept", "try again"):
            self._file.execute(
                "INSERT OR REPLACE INTO votes (rater, a, b, dialogue, outcome, left_side, at, shown) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (rater, self.a, self.b, pair.id, _OUTCOMES[choice], left, time.time(), pair.shown),
            )

    def take_back(self, rater: str, dialogue: str) -> None:
        """Forget a rater's vote on a dialogue, if there is one."""
        with self._lock, _worded(f"{self.path}: the vote is not taken back", "try again"):
            self._file.execute(
                "DELETE FROM votes WHERE rater = ? AND a = ? AND b = ? AND dialogue = ?",
                (rater, self.a, self.b, dialogue),
            )

    def seen(self, rater: str) -> dict[str, str]:
        """The dialogues that a rater voted on or skipped, the last one last, each with what was shown."""
        with self._lock, _worded(f"{self.path}: votes can't be read", "try again"):
            rows = self._file.execute(
                "SELECT dialogue, coalesce(shown, '') FROM votes WHERE rater = ? AND a = ? AND b = ? "
                "ORDER BY at, rowid",
                (rater, self.a, self.b),
            ).fetchall()
        return dict(rows)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def votes(path: Path, systems: Sequence[str]) -> list[Vote]:
    """All votes of a file in the order they came, skips left out; `systems` are those that the run makes.

    Raises:
        UserError: it is no database, or can't be read.
    """
    with (
        _worded(f"{path}: votes can't be read", "move it away or mend that, and run again"),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as file,
    ):
        columns = _columns(file)
        shown = "coalesce(shown, '')" if "shown" in columns else "''"
        rows = (
            file.execute(
                f"SELECT a, b, rater, dialogue, outcome, {shown} FROM votes WHERE outcome IS NOT NULL ORDER BY at"
            ).fetchall()
            if columns
            else []
        )
    return [
        Vote(pair := ordered(a, b, systems), rater, dialogue, outcome if pair == (a, b) else 1 - outcome, saw)
        for a, b, rater, dialogue, outcome, saw in rows
    ]


def _columns(file: sqlite3.Connection) -> set[str]:
    """The columns of a file's votes; none where it has no such table."""
    return {row[1] for row in file.execute("PRAGMA table_info(votes)")}


@contextmanager
def _worded(what: str, mend: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise UserError(f"{what} ({error}); {mend}") from error
