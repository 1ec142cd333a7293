"""What a teacher has said so far, a line a dialogue in their order, so that a killed run goes on where it was.

Two files. `current_pass` grows line by line. `previous_pass` is the last whole pass, kept where dialogues were skipped;
its rows are used until the current pass has overwritten them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from empathic.dialogues import Dialogue

Row = dict[str, Any]
Known = tuple[Dialogue, list[Row] | None]


class ReplyJournal:
    """A teacher's rows on disk.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        self.current_pass, self.previous_pass = folder / "teacher.part.jsonl", folder / "teacher.before.jsonl"
        self._drop_torn_line()
        self.written = sum(1 for _ in _lines(self.current_pass))

    def _drop_torn_line(self) -> None:
        """A kill may have cut the last line short."""
        if not self.current_pass.exists():
            return
        with self.current_pass.open("rb+") as file:
            end = file.seek(0, 2)
            while end > 0:
                file.seek(end - 1)
                if file.read(1) == b"\n":
                    break
                end -= 1
            file.truncate(end)

    def known(self, dialogues: Iterable[Dialogue]) -> Iterator[Known]:
        """Each dialogue with its rows; None for one that is still to be asked, or was put aside in an earlier pass."""
        for dialogue, now, then in zip(
            dialogues, _endless(self.current_pass), _endless(self.previous_pass), strict=False
        ):
            if now is None and then and "aside" in then[-1]:
                then = None
            yield dialogue, then if now is None else now

    def keep(self, stream: Iterable[list[Row]]) -> Iterator[list[Row]]:
        """Pass the rows of each dialogue on, those that are new once they are on disk."""
        with self.current_pass.open("a", encoding="utf-8") as out:
            for index, rows in enumerate(stream):
                if index >= self.written:
                    out.write(json.dumps(rows, ensure_ascii=False) + "\n")
                    out.flush()
                yield rows

    def lines(self) -> Iterator[list[Row]]:
        """The rows of every dialogue, once the pass is whole."""
        return _lines(self.current_pass)

    def close(self, skipped: bool) -> None:
        """The pass is whole: keep it for another where dialogues were put aside, else forget it."""
        if skipped:
            self.current_pass.replace(self.previous_pass)
        else:
            self.current_pass.unlink(missing_ok=True)
            self.previous_pass.unlink(missing_ok=True)


def _lines(path: Path) -> Iterator[list[Row]]:
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _endless(path: Path) -> Iterator[list[Row] | None]:
    return itertools.chain(_lines(path), itertools.repeat(None))
