"""Dialogues from where a recipe says, each with its split."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from empathic.dialogues import formats, limit, parquet_rows, split, table
from empathic.dialogues.dialogue import Dialogue
from empathic.errors import UserError

WANTED = formats.WANTED  # of `dialogues.source`, beside our names and data sets
WELIVITA = "welivita_pu_2000.csv"
EMPATHETIC = ("empathetic_dialogues.jsonl.gz", "train.csv", "valid.csv", "test.csv")
EVERYDAY = {"everyday": "[0-9]*.jsonl", "everyday-dense": "dense.jsonl"}  # the package's own corpora, and their files
_UTTERANCE_EACH = ("conv_id", "utterance_idx", "context", "prompt", "utterance")  # columns of the original release
_LLMS = ("chatgpt", "llama", "gemini", "mixtral")
_WELIVITA_COLUMNS = {
    "id": "dialog_id",
    "utterance": "speaker_uttr",
    "reply.human": "response_human",
    "rating.human": "rating_human",
    **{f"reply.{llm}": f"response_{llm}_empathy" for llm in _LLMS},
    **{f"rating.{llm}": f"rating_{llm}_empathy" for llm in _LLMS},
}
_EVERYDAY = ("short", "direct", "vivid", "targeted", "ordinary", "mistaken")  # the origins of its replies


class Settings(Protocol):
    """Where dialogues come from and how they are split, as a recipe's `dialogues` says it."""

    @property
    def source(self) -> str:
        """One of ours, a file, or a Hugging Face data set."""

    @property
    def split(self) -> str:
        """`source`, `paper`, `random`, or a file of test ids."""

    @property
    def test_share(self) -> float:
        """The share of test dialogues in a random split."""

    @property
    def limit(self) -> Mapping[Any, int]:
        """The most dialogues of a side, by its name."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Field -> column, where a file names them otherwise."""


def load_dialogues(settings: Settings, seed: int) -> list[Dialogue]:
    """All that `stream_dialogues` yields."""
    return list(stream_dialogues(settings, seed))


def stream_dialogues(settings: Settings, seed: int, facts: Counter[str] | None = None) -> Iterator[Dialogue]:
    """Load dialogues and split them, one by one: the source is read more than once, and is never in memory.

    Args:
        settings: the recipe's `dialogues`.
        seed: the seed of a random split.
        facts: holds what the last whole reading counted: duplicates dropped, dialogues of which only the first
            exchange is used, rows with mended characters.

    Raises:
        UserError: a file that is missing or wrong, or a split that can't be made.
    """
    counted: Counter[str] = Counter() if facts is None else facts
    how = "paper" if settings.source == "welivita" and settings.split == "source" else settings.split

    def assigned() -> Iterator[Dialogue]:
        return split.assign(lambda: _read(settings, counted), how, settings.test_share, seed)

    return limit.limited(assigned, settings.limit, seed) if settings.limit else assigned()


def _read(settings: Settings, facts: Counter[str]) -> Iterator[Dialogue]:
    """The dialogues of a source, from its beginning; the counts begin anew."""
    facts.clear()
    columns = settings.columns
    if settings.source in EVERYDAY:
        yield from (d for path in files_of(settings) for d in _everyday(path))
        return
    if settings.source == "welivita":
        columns = {**_WELIVITA_COLUMNS, **columns}
    yield from table.dialogues(rows_of(settings), columns, facts)


def rows_of(settings: Settings) -> Iterator[tuple[str, table.Row]]:
    """The rows of a source, each with its place: those of one's own file or data set as they are.

    Raises:
        UserError: a file that is missing or can't be read.
    """
    paths = files_of(settings)
    if settings.source == "empathetic-dialogues":
        return (row for path in paths for row in _empathetic(path))
    if not paths:
        return _of_known_side(parquet_rows.hub(settings.source))
    found = formats.rows(paths[0])
    first = next(found, None)
    if first is None:
        return iter(())
    if all(column in first[1] for column in _UTTERANCE_EACH):
        return _empathetic(paths[0])
    return itertools.chain([first], found)


def _of_known_side(found: Iterator[tuple[str, table.Row]]) -> Iterator[tuple[str, table.Row]]:
    """Rows of a data set, without a split that is none of train, validation and test, such as `default`."""
    for place, row in found:
        known = not isinstance(row.get("split"), str) or table.side_of(row["split"]) is not None
        yield place, row if known else {**row, "split": ""}


def files_of(settings: Settings) -> list[Path]:
    """The local files that `load_dialogues` reads; none for a Hugging Face data set.

    Raises:
        UserError: a data set that people must fetch themselves isn't where it is looked for.
    """
    if settings.source in EVERYDAY:
        folder = Path(str(resources.files("empathic") / "data" / "everyday"))
        return sorted(folder.glob(EVERYDAY[settings.source]))
    if settings.source == "welivita":
        return _looked_up(WELIVITA)[:1]
    if settings.source == "empathetic-dialogues":
        found = _looked_up(*EMPATHETIC)
        return found[:1] if found[0].name == EMPATHETIC[0] else found
    path = Path(settings.source)
    looks_local = path.suffix in formats.ENDINGS or path.is_file()
    return [path] if looks_local else []


def data_folder() -> Path:
    """Where the data sets that people fetch themselves are looked for."""
    return Path(os.environ.get("EMPATHIC_DATA", "data"))


def _looked_up(*names: str) -> list[Path]:
    folder = data_folder()
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise UserError(
            f"{folder / names[0]}: not there; get it as docs/data.md says, and set EMPATHIC_DATA to its folder"
        )
    return found


def _everyday(path: Path) -> Iterator[Dialogue]:
    """One of Everyday's files; a dialogue has those of the origins that were written for it."""
    for place, row in formats.rows(path):
        yield from table.dialogues(iter([(place, row)]), {f"reply.{o}": o for o in _EVERYDAY if row.get(o)})


def _empathetic(path: Path) -> Iterator[tuple[str, table.Row]]:
    """EmpatheticDialogues: whole dialogues in JSONL, or the original CSVs with a row an utterance.

    The first utterance is the dialogue's; the second is its `human` reply. Its `valid` split counts as train.
    """
    if path.suffix == ".gz":
        for place, row in formats.rows(path):
            said = [text for _, text in row["utterances"]]
            yield from _whole(place, row["conv_id"], row["emotion"], row["situation"], said, row["split"])
        return
    turns: dict[str, list[tuple[int, str]]] = {}
    about: dict[str, tuple[str, table.Row]] = {}
    for place, row in formats.comma_rows(path) if path.suffix == ".csv" else formats.rows(path):
        for column in _UTTERANCE_EACH:
            if column not in row:
                raise UserError(f"{place}: no column {column!r}; is it an EmpatheticDialogues file?")
        if not str(row["utterance_idx"]).isdecimal():
            raise UserError(f"{place}: utterance_idx is {str(row['utterance_idx'])[:40]!r}; want a number")
        about.setdefault(row["conv_id"], (place, row))
        turns.setdefault(row["conv_id"], []).append((int(row["utterance_idx"]), row["utterance"]))
    for conv, (place, row) in about.items():
        said = [text for _, text in sorted(turns[conv])]
        yield from _whole(place, conv, row["context"], row["prompt"], said, path.stem)


def _whole(
    place: str, conv: str, emotion: str, situation: str, said: list[str], side: str
) -> Iterator[tuple[str, table.Row]]:
    texts = [text.replace("_comma_", ",") for text in said if text.strip()]
    if not texts:
        return
    known = "train" if side == "valid" else side if table.side_of(side) else ""
    row = {"id": conv, "emotion": emotion, "situation": situation.replace("_comma_", ","), "split": known}
    yield place, row | {"utterance": texts[0], **({"reply.human": texts[1]} if len(texts) > 1 else {})}
