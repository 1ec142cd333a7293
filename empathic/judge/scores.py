"""Scores as rows: what a measure says of a reply, or of a system, in one long table that reports read back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from empathic import files

SCORES_FILE = "scores.jsonl"  # the table's name in a run's `verdicts/`


@dataclass(frozen=True)
class ScoreRow:
    """One score.

    Attributes:
        measure: its name in the registry.
        judge: who was asked; "" where the measure asks no judge.
        system: whose reply it is.
        id: the dialogue that the reply answers; None where the score is of the system's replies together.
        question: which of a measure's questions, or what else tells its scores of one reply apart.
        value: the score; None where the answer was of no use.
    """

    measure: str
    judge: str
    system: str
    id: str | None
    question: str
    value: float | None

    def to_row(self) -> dict[str, Any]:
        """The score as JSON has it."""
        return asdict(self)


Answers = dict[str, dict[str, float]]  # dialogue id -> question -> value; a reply without useful answers has none


class Scores:
    """A table of scores, by measure, judge and system.

    Attributes:
        rows: every row, in the order in which they came.
    """

    def __init__(self, rows: Iterable[ScoreRow] = ()) -> None:
        self.rows: list[ScoreRow] = []
        self._answers: dict[str, dict[str, dict[str, Answers]]] = {}
        self._figures: dict[tuple[str, str], dict[str, float]] = {}
        self.add(rows)

    def add(self, rows: Iterable[ScoreRow]) -> None:
        """Take in more rows; a later one replaces an earlier one of the same place."""
        for row in rows:
            self.rows.append(row)
            if row.id is None:
                of_system = self._figures.setdefault((row.measure, row.system), {})
            else:
                by_judge = self._answers.setdefault(row.measure, {}).setdefault(row.judge, {})
                of_system = by_judge.setdefault(row.system, {}).setdefault(row.id, {})
            if row.value is not None:
                of_system[row.question] = row.value

    def judges(self, measure: str) -> list[str]:
        """Who was asked for a measure's scores of replies, in the order of their rows."""
        return list(self._answers.get(measure, {}))

    def answers(self, measure: str, judge: str, system: str) -> Answers:
        """The scores of a system's replies by dialogue id and question."""
        return self._answers.get(measure, {}).get(judge, {}).get(system, {})

    def values(self, measure: str, system: str) -> dict[str, float]:
        """The scores of a system's replies by a measure that has one a reply and asks no judge."""
        return {id: value for id, of in self.answers(measure, "", system).items() for value in of.values()}

    def figures(self, measure: str) -> dict[str, dict[str, float]]:
        """The scores of systems as such, by system and question."""
        return {system: of for (name, system), of in self._figures.items() if name == measure}

    def write(self, path: Path) -> None:
        """Write the rows, one a line."""
        files.write_jsonl(path, (row.to_row() for row in self.rows))

    @classmethod
    def read(cls, path: Path) -> Scores:
        """The table that `write` wrote.

        Raises:
            UserError: there is none.
        """
        return cls(ScoreRow(**row) for row in files.read_jsonl(path))
