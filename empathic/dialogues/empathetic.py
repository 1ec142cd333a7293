"""EmpatheticDialogues in each of its layouts, row by row as dialogues are read.

Its original release is CSVs with a row an utterance, in which a comma is written `_comma_` and quotes are open; data
sets on the hub have the same columns; whole dialogues stand in the JSON lines of Welivita and Pu's study.
The first utterance is the dialogue's; the second is its `human` reply. Its `valid` split counts as train.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from empathic.dialogues import csv_rows, formats, parquet_rows, table
from empathic.errors import UserError

FILES = ("train.csv", "valid.csv", "test.csv")
COLUMNS = ("conv_id", "utterance_idx", "context", "prompt", "utterance")  # of a row an utterance
_WHOLE = ("conv_id", "emotion", "situation", "utterances")  # of a row a dialogue
Rows = Iterator[tuple[str, table.Row]]


def rows(path: Path, wanted: parquet_rows.Wanted = list, sure: bool = False) -> Rows:
    """The rows of any file, of EmpatheticDialogues those that `told` makes.

    Args:
        path: the file.
        wanted: which columns are read, where others can be passed over.
        sure: whether another file than one of EmpatheticDialogues is refused.

    Raises:
        UserError: the file can't be read, or has a row of EmpatheticDialogues that can't be.
    """
    found = csv_rows.comma_rows(path, formats.format_of(path).encoding) if _is_original(path) else None
    return told(found or formats.rows(path, wanted), path.stem, sure)


def folder_files(folder: Path) -> list[Path]:
    """The files of a folder that holds the release's tables; none of another."""
    found = [folder / name for name in FILES if (folder / name).is_file()]
    return found if found and all(map(_is_table, found)) else []


def _is_table(path: Path) -> bool:
    """Whether a file is a CSV with commas and the release's columns; its header alone is sure to be read as one."""
    if not path.is_file() or not (way := (form := formats.format_of(path)).dialect) or way.delimiter != ",":
        return False
    return set(COLUMNS) <= set(csv_rows.header(path, form.encoding, way))


def _is_original(path: Path) -> bool:
    """Whether a file is such a table as it was released, and no program has written it anew since."""
    form = formats.format_of(path) if _is_table(path) else None
    return bool(form and form.dialect and not csv_rows.is_rewritten(path, form.encoding, form.dialect))


def told(found: Rows, side: str = "", sure: bool = False) -> Rows:
    """Rows as they are, but those of EmpatheticDialogues with a dialogue a row, in our columns.

    Args:
        found: the rows of a table, told by the first.
        side: their split, where no row says it.
        sure: whether others are refused.

    Raises:
        UserError: an utterance without its number, a dialogue without its utterances, or another table.
    """
    first = next(found, None)
    if first is None:
        return iter(())
    found = itertools.chain([first], found)
    if _is_whole(first[1]):
        return _by_dialogue(found)
    missing = [column for column in COLUMNS if column not in first[1]]
    if missing and sure:
        raise UserError(f"{first[0]}: no column {missing[0]!r}; is it an EmpatheticDialogues file?")
    return found if missing else _by_utterance(found, side)


def _by_dialogue(found: Iterable[tuple[str, table.Row]]) -> Rows:
    for place, row in found:
        if not _is_whole(row):
            raise UserError(f"{place}: want {', '.join(_WHOLE)}, the utterances as pairs of speaker and text")
        said = [str(text or "") for _, text in row["utterances"]]
        yield _whole(place, row["conv_id"], row["emotion"], row["situation"], said, row.get("split"))


def _is_whole(row: table.Row) -> bool:
    """Whether a row is a dialogue of Welivita and Pu's."""
    said = row.get("utterances")
    pairs = isinstance(said, list) and all(isinstance(turn, list | tuple) and len(turn) == 2 for turn in said)
    return pairs and all(column in row for column in _WHOLE)


def _by_utterance(found: Iterable[tuple[str, table.Row]], side: str) -> Rows:
    turns: dict[str, dict[int, str]] = {}
    about: dict[str, tuple[str, table.Row]] = {}
    for place, row in found:
        if missing := [column for column in COLUMNS if column not in row]:
            raise UserError(f"{place}: no column {missing[0]!r}; is it an EmpatheticDialogues file?")
        if not str(row["utterance_idx"]).isdecimal():
            raise UserError(f"{place}: utterance_idx is {str(row['utterance_idx'])[:40]!r}; want a number")
        about.setdefault(row["conv_id"], (place, row))
        turns.setdefault(row["conv_id"], {}).setdefault(int(row["utterance_idx"]), str(row["utterance"] or ""))
    first = min((min(said) for said in turns.values()), default=1)
    for conv, (place, row) in about.items():
        said = [turns[conv].get(number, "") for number in (first, first + 1)]
        yield _whole(place, conv, row["context"], row["prompt"], said, row.get("split") or side)


def _whole(
    place: str, conv: str, emotion: str, situation: Any, said: Sequence[str], split: Any
) -> tuple[str, table.Row]:
    """A dialogue of these utterances; where the first is missing there is none, and no other's words stand for it."""
    utterance, reply, *_ = (text.replace("_comma_", ",") for text in (*said, "", ""))
    known = table.side_of(str(split or "")) or ""
    return place, {
        "id": conv,
        "emotion": emotion,
        "situation": str(situation or "").replace("_comma_", ","),
        "split": "train" if known == "validation" else known,
        "utterance": utterance,
        "reply.human": reply,
    }
