"""The rows that a step learns from, read from their file one by one, each time anew: none of them is held."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.stats import sample
from empathic.student import prompt

Row = dict[str, Any]
Rows = Callable[[], Iterator[Row]]  # in their order, from the first one on at each call


class Lessons:
    """The rows of a file, as often as they are wanted.

    Args:
        path: JSON Lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Row]:
        return files.read_jsonl(self.path)


def drawn(rows: Iterable[Row], most: int | None, seed: str) -> Rows:
    """As many rows as a step learns from, in their order; a larger sample of the same seed holds a smaller one.

    Args:
        rows: all there are.
        most: how many to draw; None for all.
        seed: of the draw.
    """
    if most is None:
        return lambda: iter(rows)
    chosen = bytearray(sum(1 for _ in rows))
    for place in sample.places(len(chosen), most, seed):
        chosen[place] = True
    return lambda: itertools.compress(rows, chosen)


def told(rows: Rows, instruction: str) -> Rows:
    """The rows, each with the student's instruction."""
    return lambda: (prompt.with_system_prompt(row, instruction) for row in rows())


def check(rows: Rows, replies: tuple[str, ...]) -> None:
    """Refuse rows that teach nothing: an empty reply, or a pair of equal ones.

    Args:
        rows: of a corpus.
        replies: the keys of a row's replies.

    Raises:
        UserError: names the row.
    """
    for number, row in enumerate(rows(), 1):
        try:
            said = [row[key][0]["content"].strip() for key in replies]
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            named = f"row {number} of those to learn from, {row.get('id')!r},"
            raise UserError(
                f"corpus: {named} has no messages under {' and '.join(replies)}; mend or drop it"
            ) from error
        if not all(said):
            raise UserError(f"corpus: the example {row['id']!r} has an empty reply; mend or drop the dialogue")
        if len(said) > len(set(said)):
            raise UserError(f"corpus: the pair {row['id']!r} prefers a reply to itself; mend or drop the dialogue")
