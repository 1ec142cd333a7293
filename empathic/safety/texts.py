"""Messages with labels, from JSON Lines or CSV: what the gate learns from and what it is tried on."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic import files
from empathic.dialogues import formats
from empathic.errors import UserError

LABELS = ("ordinary", "distress", "past", "crisis", "harmful")
COLUMNS = ("text", "prompt", "message", "utterance", "prompts_final")  # where a message stands, the first that is there
CLASS = {  # a kind of crisis -> the class of the weights
    "suicide": "self",
    "self-harm": "self",
    "veiled": "self",
    "eating": "eating",
    "abuse": "abuse",
    "danger": "abuse",
    "harm-others": "others",
    "someone-else": "someone",
}


@dataclass(frozen=True)
class Text:
    """A message, or the turns of a script, and what a person says of it.

    Attributes:
        turns: the user's messages; one, but for a script.
        label: one of `LABELS`, or None where nobody said.
        kind: a narrower one, or "".
        language: of the message, or "".
        turn: of a script: the turn, from 1, at which a person sees the crisis.
    """

    turns: tuple[str, ...]
    label: str | None = None
    kind: str = ""
    language: str = ""
    turn: int | None = None

    def target(self) -> tuple[str, ...]:
        """The weights' classes that this may be."""
        if self.label == "crisis":
            return (CLASS[self.kind],) if self.kind in CLASS else tuple(dict.fromkeys(CLASS.values()))
        return (self.label,) if self.label else ("ordinary", "distress", "past")


def read(path: Path) -> list[Text]:
    """The messages of a `.jsonl` or `.csv` file.

    Raises:
        UserError: the file can't be read, or a row has no message or an unknown label.
    """
    if path.suffix == ".csv":
        try:
            with path.open(encoding="utf-8-sig", newline="") as source:
                rows: list[dict[str, Any]] = list(csv.DictReader(source))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{path}: can't be read as CSV in UTF-8 ({error})") from error
    else:
        rows = list(files.read_jsonl(path))
    return [_text(row, f"{path}, row {number}") for number, row in enumerate(rows, 1)]


def _text(row: dict[str, Any], where: str) -> Text:
    turns = row.get("turns")
    if not turns:
        column = next((name for name in COLUMNS if row.get(name) is not None), None)
        if column is None:
            raise UserError(f"{where}: no message; want a column {', '.join(COLUMNS[:-1])}, or turns")
        turns = [row[column]]
    label, kind = row.get("label") or None, str(row.get("kind") or "")
    if label is not None and label not in LABELS:
        raise UserError(f"{where}: label {label!r}; want one of {', '.join(LABELS)}")
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        raise UserError(f"{where}: turns want a list of the user's messages")
    return Text(tuple(turns), label, kind, str(row.get("language") or ""), row.get("turn"))


def everyday(folder: Path, split: str) -> Iterator[Text]:
    """The messages of one split of the Everyday corpus, none of them a crisis."""
    for path in sorted(folder.glob("*.jsonl")):
        for row in files.read_jsonl(path):
            if row["split"] == split:
                yield Text((row["utterance"],))
                yield from (Text((turn["user"],)) for turn in row.get("turns", ()))


def empathetic(path: Path, splits: Sequence[str]) -> Iterator[Text]:
    """The speakers' turns of EmpatheticDialogues, a dialogue a script, none of them taken for a crisis."""
    for _, row in formats.rows(path):
        if row["split"] in splits:
            yield Text(tuple(text for who, text in row["utterances"] if who == "speaker"))
