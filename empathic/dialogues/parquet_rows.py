"""Rows of a Parquet file and of a Hugging Face data set, their labels by name."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from empathic.errors import UserError

Rows = Iterator[tuple[str, Mapping[str, Any]]]
Wanted = Callable[[Sequence[str]], Sequence[str]]  # of a table's columns, those that are to be read
# Bytes that are read at a time: else a row group is held whole, and many a file is a single one.
_PIECEMEAL: dict[str, Any] = {"buffer_size": 1 << 20, "pre_buffer": False}


def rows(path: Path, wanted: Wanted = list) -> Rows:
    """The rows of a Parquet file, a batch at a time.

    Args:
        path: the file.
        wanted: which columns are read.

    Raises:
        UserError: it isn't one, or is cut off.
    """
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path, **_PIECEMEAL) as table:
            names = _stored_names(table.schema_arrow.metadata or {})
            for batch in table.iter_batches(1000, columns=list(wanted(table.schema_arrow.names))):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}:{number}", named(row, names)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: not a whole Parquet file ({' '.join(str(error).split())[:120]})") from error
    if not number:
        raise UserError(f"{path}: no rows; want a dialogue a row")


def hub(name: str, wanted: Wanted = list) -> Rows:
    """The rows of a Hugging Face data set (an id, or a folder in its layout), all splits, each row with its split.

    Args:
        name: the data set.
        wanted: which columns are read.

    Raises:
        UserError: there is no such data set.
    """
    found = _hub_set(name)
    alone = len(found) == 1
    for side, table in found.items():
        names = {column: f.names for column, f in table.features.items() if getattr(f, "names", None)}
        for number, row in enumerate(table.select_columns(list(wanted(table.column_names))), 1):
            place = f"{name} {side}:{number}"
            yield place, named(row if alone or row.get("split") else {**row, "split": side}, names)


def named(row: Mapping[str, Any], names: Mapping[str, list[str]]) -> Mapping[str, Any]:
    """A row with the names of its labels in the place of their numbers; -1 is none."""
    if not names:
        return row
    said = {
        column: (labels[number] if 0 <= number < len(labels) else "")
        for column, labels in names.items()
        if isinstance(number := row.get(column), int)
    }
    return {**row, **said}


def _stored_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The labels that the `datasets` library notes in a file's schema."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {column: list(f["names"]) for column, f in features.items() if isinstance(f, dict) and f.get("names")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


@functools.lru_cache(maxsize=1)
def _hub_set(name: str) -> Any:
    """A data set, asked for once however often it is read; its rows stay on disk."""
    import datasets

    try:
        if any((Path(name) / file).is_file() for file in ("dataset_dict.json", "state.json")):
            found = datasets.load_from_disk(name)
            return found if isinstance(found, dict) else {"train": found}
        if Path(name).is_dir() or _is_reached(name):
            return datasets.load_dataset(name)
        with _offline(name):
            return datasets.load_dataset(name)
    except UserError:
        raise
    except Exception as error:
        # The hub's errors have no common base; whatever it was, the recipe names something that isn't there.
        why = " ".join(str(error).split())[:160]
        raise UserError(
            f"dialogues.source: {name}: neither a file, one of ours, nor a data set that loads ({why})"
        ) from error


def _is_reached(name: str) -> bool:
    """Whether the hub has a data set, by one request: the library tries the same six times, half a minute long.

    Raises:
        UserError: the hub has none of that name.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        HfApi().dataset_info(name, timeout=10)
    except RepositoryNotFoundError as error:
        why = "no such file or folder, and no data set of the Hugging Face hub that you may read"
        raise UserError(f"dialogues.source: {name}: {why}") from error
    except Exception:  # no network, of whichever library: a data set that was fetched before will do
        return False
    return True


@contextmanager
def _offline(name: str) -> Iterator[None]:
    """Let a data set come from the cache alone; where that lacks it, this is told at once.

    Raises:
        UserError: it isn't there.
    """
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    except Exception as error:
        why = "no such file or folder, and the Hugging Face hub, which may have a data set of that name, wasn't reached"
        raise UserError(f"dialogues.source: {name}: {why}") from error
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
