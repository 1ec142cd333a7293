"""The ledger: every answer of a model once, by the hash of all that determines it. Cache, log and bill in one file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from empathic import files
from empathic.endpoints import schema
from empathic.errors import UserError

_MESSAGES = "messages"  # of a request, the list whose beginning others share
_KNOWN = 1000  # prefixes whose rows are remembered


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
            self._write_ahead()
            self._db.execute("pragma synchronous=normal")
            version = schema.set_up(self._db)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{path}: not a ledger that can be used ({error})") from error
        if version != schema.VERSION:
            wanted = schema.VERSION
            raise UserError(f"{path}: a ledger of version {version}, and this software wants {wanted}; give another")
        self._prefixes: dict[bytes, int] = {}

    def _write_ahead(self) -> None:
        """Switch the file to its write-ahead log; SQLite's own time-out does not wait where two switch at once."""
        for wait in (*[0.05] * 200, None):
            try:
                self._db.execute("pragma journal_mode=wal")
                return
            except sqlite3.OperationalError as error:
                if wait is None or "locked" not in str(error):
                    raise
                time.sleep(wait)

    def get(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to `request`, if it was given before."""
        row = self._db.execute("select answer from answers where key = ?", (files.digest(request),)).fetchone()
        return json.loads(row[0]) if row else None

    def find(self, beginning: str) -> dict[str, Any] | None:
        """The answer to a request by the first digits of its hash, as `files.digest` has it."""
        row = self._db.execute(
            "select answer from answers where key >= ? and key < ?", (beginning, f"{beginning}g")
        ).fetchone()
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
        attempts: int = 1,
        cost: float = 0.0,
    ) -> None:
        """Keep an answer, with the tokens read and written for it; the first stays if two processes asked at once.

        Raises:
            UserError: the disk is full or the file can't be written.
        """
        rest, prefix = self._shared(request)
        row = (
            files.digest(request),
            model,
            purpose,
            json.dumps(rest, ensure_ascii=False),
            json.dumps(answer, ensure_ascii=False),
            *tokens,
            seconds,
            attempts,
            cost,
            time.time(),
            prefix,
        )
        self._insert("insert or ignore into answers values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _shared(self, request: dict[str, Any]) -> tuple[dict[str, Any], int | None]:
        """A request without all its messages but the last, and the row that holds those once for all who share them."""
        *prefix, last = request.get(_MESSAGES) or [None]
        if not prefix:
            return request, None
        hash = bytes.fromhex(files.digest(prefix))[:16]
        if hash not in self._prefixes:
            self._insert(
                "insert or ignore into prefixes (hash, messages) values (?, ?)",
                (hash, json.dumps(prefix, ensure_ascii=False)),
            )
            if len(self._prefixes) >= _KNOWN:
                self._prefixes.clear()
            (self._prefixes[hash],) = self._db.execute("select id from prefixes where hash = ?", (hash,)).fetchone()
        return {**request, _MESSAGES: [last]}, self._prefixes[hash]

    def has_answers(self, model: str) -> bool:
        """Whether a model, by its identity, ever answered."""
        found = self._db.execute("select exists (select 1 from answers where model = ?)", (model,)).fetchone()
        return bool(found[0])

    def record_discarded(self, why: str, *, model: str, purpose: str, tokens: tuple[int, int], cost: float) -> None:
        """Put an answer on the bill that was of no use.

        Raises:
            UserError: as `put` does.
        """
        row = (None, model, purpose, why, *tokens, cost, time.time())
        self._insert("insert into wasted values (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def spent(self, model: str) -> float:
        """US dollars that a model has cost, answers of no use included."""
        costs = (
            self._db.execute(f"select coalesce(sum(cost), 0) from {table} where model = ?", (model,)).fetchone()[0]
            for table in ("answers", "wasted")
        )
        return float(sum(costs))

    def bill(self) -> list[dict[str, Any]]:
        """Answers, tokens and US dollars by model and purpose, and what went to waste among them."""
        rows = self._db.execute(
            """
            select model, purpose, sum(answers), sum(wasted), sum(read), sum(written), sum(cost) from (
                select model, purpose, count(*) as answers, 0 as wasted, sum(prompt_tokens) as read,
                    sum(completion_tokens) as written, sum(cost) as cost from answers group by model, purpose
                union all
                select model, purpose, 0, count(*), sum(prompt_tokens), sum(completion_tokens), sum(cost)
                    from wasted group by model, purpose
            ) group by model, purpose order by model, purpose
            """
        )
        names = ("model", "purpose", "answers", "wasted", "prompt_tokens", "completion_tokens", "cost")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def mark_submitted(self, batch: str, model: str, lines: dict[str, str]) -> None:
        """Note that requests (their purposes by id) are in a batch; noted again under another name, it is renamed."""
        with self.transaction():
            self._db.executemany(
                "insert into batched (id, batch, model, purpose) values (?, ?, ?, ?) "
                "on conflict (id) do update set batch = excluded.batch",
                [(id, batch, model, purpose) for id, purpose in lines.items()],
            )

    def pending_batches(self, model: str) -> dict[str, dict[str, str]]:
        """Batches with requests that have neither answer nor error: batch -> id -> purpose."""
        found: dict[str, dict[str, str]] = {}
        for batch, id, purpose in self._db.execute(
            "select batch, id, purpose from batched where model = ? and answer is null and error is null", (model,)
        ):
            found.setdefault(batch, {})[id] = purpose
        return found

    def forget_batch(self, batch: str) -> None:
        """A batch that never reached the server."""
        self._insert("delete from batched where batch = ? and answer is null and error is null", (batch,))

    def store_batch_result(
        self, id: str, answer: dict[str, Any] | None, error: str, tokens: tuple[int, int] = (0, 0), cost: float = 0.0
    ) -> None:
        """Keep what a batch brought for a request, once; it is waste until `put` says that it was of use."""
        with self.transaction():
            changed = self._db.execute(
                "update batched set answer = ?, error = ?, prompt_tokens = ?, completion_tokens = ?, cost = ? "
                "where id = ? and answer is null and error is null returning model, purpose",
                (json.dumps(answer, ensure_ascii=False) if answer else None, error or None, *tokens, cost, id),
            ).fetchone()
            if changed and any(tokens):
                self._db.execute(
                    "insert into wasted values (?, ?, ?, ?, ?, ?, ?, ?)",
                    (id, *changed, "brought by a batch, not yet used", *tokens, cost, time.time()),
                )

    def batched(self, id: str) -> dict[str, Any] | None:
        """What a batch brought for a request, or is to bring; None where it is in no batch."""
        row = self._db.execute(
            "select answer, error, prompt_tokens, completion_tokens, cost from batched where id = ?", (id,)
        ).fetchone()
        if row is None:
            return None
        answer, error, *tokens, cost = row
        return {"answer": json.loads(answer) if answer else None, "error": error, "tokens": tuple(tokens), "cost": cost}

    def mark_used(self, id: str) -> None:
        """What a batch brought was of use: `put` has it on the bill."""
        self._insert("delete from wasted where id = ?", (id,))

    def reset_attempts(self, ids: Iterable[str]) -> None:
        """Requests of batches that are to be made anew under their old ids; what they cost stays on the bill."""
        with self.transaction():
            for id in ids:
                self._db.execute("delete from batched where id = ?", (id,))
                self._db.execute("update wasted set id = null, why = 'given up' where id = ?", (id,))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every answer with its request, in the order they came."""
        found = self._db.execute(
            "select model, purpose, request, answer, prompt_tokens, completion_tokens, seconds, attempts, cost, at, "
            "messages from answers left join prefixes on prefix = id order by at"
        )
        names = [column[0] for column in found.description]
        for row in found:
            one = dict(zip(names, row, strict=True))
            request, prefix = json.loads(one["request"]), one.pop(_MESSAGES)
            if prefix:
                request[_MESSAGES] = json.loads(prefix) + request[_MESSAGES]
            yield {**one, "request": request, "answer": json.loads(one["answer"])}

    def _insert(self, statement: str, row: tuple[Any, ...]) -> None:
        with self._worded():
            self._db.execute(statement, row)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within is kept or nothing, whatever ends it; within another it is a part of that.

        Raises:
            UserError: as `put` does.
        """
        if self._db.in_transaction:
            yield
            return
        with self._worded():
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                self._prefixes.clear()
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: can't be written ({error}); mend that and run again") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def short(identity: str) -> str:
    """A model's name as short as people know it: without its server's address, its folder or most of its hash."""
    return identity.rsplit(" ", 1)[-1].rsplit("/", 1)[-1][:16]
