"""The results of a batch that went as a file, to whatever host: read whole first, then matched with what is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from empathic import files
from empathic.endpoints.batch_api import HASH, BatchClient
from empathic.endpoints.batch_lines import Result, result
from empathic.endpoints.chat_api import Request
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.pricing import Budget, Prices
from empathic.errors import UserError


@dataclass
class Results:
    """What files of results hold.

    Attributes:
        lines: the first answer to each id; where none came, the first error.
        others: ids that were answered twice, and otherwise the second time.
        models: the names that servers gave their models.
    """

    lines: dict[str, Result] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, paths: Iterable[Path], key: str = "") -> Results:
        """Read files whole, before anything is done with what they hold.

        Args:
            paths: of results or of errors, as hosts write them.
            key: what is not to be shown, though a server does.

        Raises:
            UserError: a file that can't be read or is empty; a line that is no JSON, or no result; names the line.
        """
        found = cls()
        for path in paths:
            number = 0
            for number, row in enumerate(_rows(path), 1):
                found._add(path, number, row, key)
            if not number:
                raise UserError(f"{path}: empty; want what the host answered, a line for each request")
        return found

    def _add(self, path: Path, number: int, row: dict[str, Any], key: str) -> None:
        if not isinstance(row.get("custom_id"), str):
            raise UserError(f"{path}: result {number} has no custom_id; nothing is imported")
        if not row.keys() & {"response", "error"}:
            asked = "it is a question; give the file that the host wrote, not the one that it was given"
            why = asked if "body" in row else "it has neither response nor error"
            raise UserError(f"{path}: result {number} is none: {why}; nothing is imported")
        if (model := _model(row)) is not None:
            self.models.add(model)
        new, old = result(row, key), self.lines.get(row["custom_id"])
        if old is None or (old.answer is None and new.answer is not None):
            self.lines[new.id] = new
        elif new.answer is not None and new.answer != old.answer:
            self.others.add(new.id)


class ImportClient(BatchClient):
    """Answers with what files of results brought, and keeps it; what they lack is wanted still.

    Args:
        endpoint: who was asked.
        ledger: where answers are kept.
        budget: with prices of a batch, and without an end: what came is paid for.
        results: what the files hold.
        live: prices of what was asked like any question.
    """

    def __init__(
        self, endpoint: Endpoint, ledger: Ledger, budget: Budget, results: Results, live: Prices | None = None
    ) -> None:
        super().__init__(endpoint, ledger, budget, live)
        self.results = results
        self.taken: set[str] = set()  # ids of lines that were new

    def _brought(self, id: str, request: Request, purpose: str) -> dict[str, Any] | None:
        brought, found = self.ledger.batched(id), self.results.lines.get(id)
        if found is None or (brought and (brought["answer"] or (brought["error"] and found.answer is None))):
            return brought
        if brought and brought["error"]:  # the same request went to the host twice, and the second try was answered
            self.ledger.reset_attempts([id])
        self.ledger.mark_submitted("file", self.endpoint.identity, {id: purpose})
        self._keep(found, request)
        self.taken.add(id)
        return self.ledger.batched(id)

    def left(self) -> tuple[list[str], list[str], list[str]]:
        """The ids of lines that weren't taken: known already, known with another answer, and not asked at all."""
        same: list[str] = []
        other: list[str] = []
        strange: list[str] = []
        for id, found in self.results.lines.items():
            if id in self.taken:
                continue
            known = self._known(id)
            if known is None:
                strange.append(id)
            elif found.answer is not None and known.get("text") not in (None, found.answer.text):
                other.append(id)
            else:
                same.append(id)
        return same, other, strange

    def _known(self, id: str) -> dict[str, Any] | None:
        """The answer that the ledger has for a line's request; an empty one where it has an error; None for neither."""
        if not re.fullmatch(rf"[0-9a-f]{{{HASH}}}-\d", id):
            return None
        if (brought := self.ledger.batched(id)) is not None:
            return brought["answer"] or {}
        return self.ledger.find(id[:HASH])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        yield from files.read_jsonl(path)
    except UserError as error:
        whole = _ends_whole(path)
        cut = (
            ""
            if whole
            else "; the file ends within a line, as one that was cut short does: fetch it again, or take that line out"
        )
        raise UserError(f"{error}{cut}; nothing is imported") from error


def _model(row: dict[str, Any]) -> str | None:
    """The name that a line's answer gives its model."""
    body = row["response"].get("body") if isinstance(row.get("response"), dict) else None
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) else None


def _ends_whole(path: Path) -> bool:
    """Whether a file ends with a line's end; one that can't be read isn't known to be cut short."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 1))
            return file.read(1) in (b"\n", b"")
    except OSError:
        return True
