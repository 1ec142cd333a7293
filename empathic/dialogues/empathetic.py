"""EmpatheticDialogues in each of its layouts, row by row as dialogues are read.

Its original release is CSVs with a row an utterance, in which a comma is written `_comma_` and quotes are open; data
sets on the hub have the same columns; whole dialogues stand in the JSON lines of Welivita and Pu's study.
The first utterance is the dialogue's; the second is its `human` reply. Its `valid` split counts as train.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

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
    if _is_original(path):
        found: Rows = csv_rows.comma_rows(path, formats.format_of(path).encoding)
    else:
        found = formats.rows(path, wanted)
    return told(found, path.stem, sure)


def folder_files(folder: Path) -> list[Path]:
    """The files of a folder that is the original release; none of another."""
    found = [folder / name for name in FILES if (folder / name).is_file()]
    return found if found and all(map(_is_original, found)) else []


def _is_original(path: Path) -> bool:
    """Whether a file is a CSV of the original release; its header alone is sure to be read as one."""
    if not path.is_file() or not (way := (form := formats.format_of(path)).dialect) or way.delimiter != ",":
        return False
    return set(COLUMNS) <= set(csv_rows.header(path, form.encoding, way))


def told(found: Rows, side: str = "", sure: bool = False) -> Rows:
    """Rows as they are, but those of EmpatheticDialogues with a dialogue a row, in our columns.

    Args:
        found: the rows of a table, told by the first.
        side: their split, where no row says it.
        sure: whether others are refused.

    Raises:
        UserError: an utterance without its number, or another table.
    """
    first = next(found, None)
    if first is None:
        return iter(())
    found = itertools.chain([first], found)
    if all(column in first[1] for column in _WHOLE):
        return _by_dialogue(found)
    missing = [column for column in COLUMNS if column not in first[1]]
    if missing and sure:
        raise UserError(f"{first[0]}: no column {missing[0]!r}; is it an EmpatheticDialogues file?")
    return found if missing else _by_utterance(found, side)


def _by_dialogue(found: Iterable[tuple[str, table.Row]]) -> Rows:
    for place, row in found:
        said = [text for _, text in row["utterances"]]
        yield from _whole(place, row["conv_id"], row["emotion"], row["situation"], said, row.get("split") or "")


def _by_utterance(found: Iterable[tuple[str, table.Row]], side: str) -> Rows:
    turns: dict[str, list[tuple[int, str]]] = {}
    about: dict[str, tuple[str, table.Row]] = {}
    for place, row in found:
        if missing := [column for column in COLUMNS if column not in row]:
            raise UserError(f"{place}: no column {missing[0]!r}; is it an EmpatheticDialogues file?")
        if not str(row["utterance_idx"]).isdecimal():
            raise UserError(f"{place}: utterance_idx is {str(row['utterance_idx'])[:40]!r}; want a number")
        about.setdefault(row["conv_id"], (place, row))
        turns.setdefault(row["conv_id"], []).append((int(row["utterance_idx"]), str(row["utterance"] or "")))
    for conv, (place, row) in about.items():
        said = [text for _, text in sorted(turns[conv])]
        yield from _whole(place, conv, row["context"], row["prompt"], said, row.get("split") or side)


def _whole(place: str, conv: str, emotion: str, situation: str | None, said: list[str], split: str) -> Rows:
    texts = [text.replace("_comma_", ",") for text in said if text.strip()]
    if not texts:
        return
    known = table.side_of(split) or ""
    about = (situation or "").replace("_comma_", ",")
    row = {"id": conv, "emotion": emotion, "situation": about, "split": "train" if known == "validation" else known}
    yield place, row | {"utterance": texts[0], **({"reply.human": texts[1]} if len(texts) > 1 else {})}
