"""The ledger: every answer of a model once, by the hash of all that determines it. Cache and log in one file."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError

_SCHEMA = """
create table if not exists answers (
    key text primary key,
    model text not null,
    purpose text not null,
    request text not null,
    answer text not null,
    prompt_tokens integer not null,
    completion_tokens integer not null,
    seconds real not null,
    at real not null
) without rowid
"""


class Ledger:
    """An SQLite file that several runs, and several processes at once, may share.

    An answer is on disk before anybody uses it, so a killed run asks nothing twice. The synchronous
    write-ahead log outlives `kill -9`; only a power cut may cost the last few answers.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=normal")
            self._db.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{path}: not a ledger that can be used ({error})") from error

    def get(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to `request`, if it was given before."""
        row = self._db.execute("select answer from answers where key = ?", (files.digest(request),)).fetchone()
        return json.loads(row[0]) if row else None

    def put(
        self,
        request: dict[str, Any],
        answer: dict[str, Any],
        *,
        model: str,
        purpose: str,
        tokens: tuple[int, int] = (0, 0),
        seconds: float = 0.0,
    ) -> None:
        """Keep an answer; the first one stays if two processes asked at once.

        Raises:
            UserError: the disk is full or the file can't be written.
        """
        row = (
            files.digest(request),
            model,
            purpose,
            json.dumps(request, ensure_ascii=False),
            json.dumps(answer, ensure_ascii=False),
            *tokens,
            seconds,
            time.time(),
        )
        try:
            self._db.execute("insert or ignore into answers values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: can't be written ({error}); mend that and run again") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()
