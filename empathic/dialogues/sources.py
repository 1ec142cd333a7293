"""Dialogues from where a recipe says, each with its split."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from empathic.dialogues import limit, split, table
from empathic.dialogues.dialogue import Dialogue
from empathic.errors import UserError

WANTED = "a .jsonl, .csv or .tsv file"  # of `dialogues.source`, beside our names and data sets
WELIVITA = "welivita_pu_2000.csv"
EMPATHETIC = ("empathetic_dialogues.jsonl.gz", "train.csv", "valid.csv", "test.csv")
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


def stream_dialogues(settings: Settings, seed: int) -> Iterator[Dialogue]:
    """Load dialogues and split them, one by one: the source is read more than once, and is never in memory.

    Args:
        settings: the recipe's `dialogues`.
        seed: the seed of a random split.

    Raises:
        UserError: a file that is missing or wrong, or a split that can't be made.
    """
    how = "paper" if settings.source == "welivita" and settings.split == "source" else settings.split

    def assigned() -> Iterator[Dialogue]:
        return split.assign(lambda: _read(settings), how, settings.test_share, seed)

    return limit.limited(assigned, settings.limit, seed) if settings.limit else assigned()


def _read(settings: Settings) -> Iterator[Dialogue]:
    """The dialogues of a source, from its beginning."""
    paths = files_of(settings)
    if settings.source in EVERYDAY:
        return (d for path in paths for d in _everyday(path))
    if settings.source == "welivita":
        return table.dialogues(table.rows(paths[0]), {**_WELIVITA_COLUMNS, **settings.columns})
    if settings.source == "empathetic-dialogues":
        return (d for path in paths for d in _empathetic(path))
    return table.dialogues(table.rows(paths[0]) if paths else _hub(settings.source), settings.columns)


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
    looks_local = path.suffix in (".jsonl", ".json", ".csv", ".tsv", ".gz", ".ndjson") or path.is_file()
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
    for place, row in table.rows(path):
        yield from table.dialogues(iter([(place, row)]), {f"reply.{o}": o for o in _EVERYDAY if row.get(o)})


def _empathetic(path: Path) -> Iterator[Dialogue]:
    """EmpatheticDialogues: whole dialogues in JSONL, or the original CSVs with a row an utterance.

    The first utterance is the dialogue's; the second is its `human` reply. Its `valid` split counts as train.
    """
    if path.suffix == ".gz":
        for place, row in table.rows(path):
            said = [text for _, text in row["utterances"]]
            side = "train" if row["split"] == "valid" else row["split"]
            yield from _whole(place, row["conv_id"], row["emotion"], row["situation"], said, side)
        return
    turns: dict[str, list[tuple[int, str]]] = {}
    about: dict[str, tuple[str, table.Row]] = {}
    for place, row in table.rows(path):
        for column in ("conv_id", "utterance_idx", "context", "prompt", "utterance"):
            if column not in row:
                raise UserError(f"{place}: no column {column!r}; is it an EmpatheticDialogues file?")
        about.setdefault(row["conv_id"], (place, row))
        turns.setdefault(row["conv_id"], []).append((int(row["utterance_idx"]), row["utterance"]))
    for conv, (place, row) in about.items():
        said = [text for _, text in sorted(turns[conv])]
        side = "train" if path.stem == "valid" else path.stem
        yield from _whole(place, conv, row["context"], row["prompt"], said, side)


def _whole(place: str, conv: str, emotion: str, situation: str, said: list[str], side: str) -> Iterator[Dialogue]:
    texts = [text.replace("_comma_", ",") for text in said if text.strip()]
    if not texts:
        return
    row = {"id": conv, "emotion": emotion, "situation": situation.replace("_comma_", ","), "split": side}
    row |= {"utterance": texts[0], **({"reply.human": texts[1]} if len(texts) > 1 else {})}
    yield from table.dialogues(iter([(place, row)]), {})


def _hub(name: str) -> Iterator[tuple[str, table.Row]]:
    """The rows of a Hugging Face data set (an id, or a folder in its layout), all splits, each row with its split."""
    found = _hub_set(name)
    alone = len(found) == 1
    for side, rows in found.items():
        for number, row in enumerate(rows, 1):
            yield f"{name} {side}:{number}", row if alone or row.get("split") else {**row, "split": side}


@functools.lru_cache(maxsize=1)
def _hub_set(name: str) -> Any:
    """A data set, asked for once however often it is read; its rows stay on disk."""
    import datasets

    try:
        return datasets.load_dataset(name)
    except Exception as error:
        # The hub's errors have no common base; whatever it was, the recipe names something that isn't there.
        why = " ".join(str(error).split())[:160]
        raise UserError(
            f"dialogues.source: {name}: neither a file, one of ours, nor a data set that loads ({why})"
        ) from error
