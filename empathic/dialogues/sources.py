"""Dialogues from where a recipe says, each with its split."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from empathic.dialogues import empathetic, formats, limit, parquet_rows, split, table
from empathic.dialogues.dialogue import Dialogue
from empathic.errors import UserError

WANTED = formats.WANTED  # of `dialogues.source`, beside our names and data sets
WELIVITA = "welivita_pu_2000.csv"
EMPATHETIC = ("empathetic_dialogues.jsonl.gz", *empathetic.FILES)
_OTHER_ENDINGS = (".txt", ".xlsx", ".xls", ".ods", ".zip", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".arrow", ".pdf")
EVERYDAY = {"everyday": "[0-9]*.jsonl", "everyday-dense": "dense.jsonl"}  # the package's own corpora, and their files
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
    columns = columns_of(settings)
    yield from table.dialogues(rows_of(settings, lambda names: _needed(names, columns)), columns, facts)


def columns_of(settings: Settings) -> dict[str, str]:
    """Field -> column, as the recipe and what is known of a source of ours say."""
    return {**(_WELIVITA_COLUMNS if settings.source == "welivita" else {}), **settings.columns}


def _needed(names: Sequence[str], columns: Mapping[str, str]) -> Sequence[str]:
    """The columns that dialogues are read from, and all where they are told by more than that."""
    return names if set(empathetic.COLUMNS) <= set(names) else table.needed(names, columns)


def rows_of(settings: Settings, wanted: parquet_rows.Wanted = list) -> Iterator[tuple[str, table.Row]]:
    """The rows of a source, each with its place: those of one's own file or data set as they are.

    Args:
        settings: the recipe's `dialogues`.
        wanted: which columns of one's own are read, where others can be passed over.

    Raises:
        UserError: a file that is missing or can't be read.
    """
    paths = files_of(settings)
    if settings.source in EVERYDAY:
        return (row for path in paths for row in _everyday(path))
    if not paths:
        return empathetic.told(_of_known_side(parquet_rows.hub(str(Path(settings.source).expanduser()), wanted)))
    sure = settings.source == "empathetic-dialogues"
    return (row for path in paths for row in empathetic.rows(path, wanted, sure))


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
    path = Path(settings.source).expanduser()
    if path.is_dir() and (original := empathetic.folder_files(path)):
        return original
    if path.is_dir():
        return [path] if path.suffix in formats.ENDINGS else []  # a folder in a file's place, which is then told
    return [path] if path.is_file() or _is_path(settings.source) else []


def _is_path(source: str) -> bool:
    """Whether what isn't there was meant as a file: a data set of the hub goes by `name` or `owner/name`."""
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", source):
        return True
    ending = Path(source).suffix.lower()
    if ending in (*formats.ENDINGS, *_OTHER_ENDINGS):
        return True
    return bool(re.fullmatch(r"\.[a-z]\w*", ending)) and "/" not in source


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


def _everyday(path: Path) -> Iterator[tuple[str, table.Row]]:
    """One of Everyday's files; a dialogue has those of the origins that were written for it."""
    for place, row in formats.rows(path):
        about = {name: value for name, value in row.items() if name not in _EVERYDAY}
        yield place, about | {f"reply.{o}": row[o] for o in _EVERYDAY if row.get(o)}
