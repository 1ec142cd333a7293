"""Rows as tokens in a file that is mapped into memory, so that a corpus may be larger than memory is.

It is an Arrow file of Hugging Face `datasets`, and lies beside a step's checkpoints, with which it goes. It is whole or
not there at all, and its name says of which rows it is: after a kill it is used again, or made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pyarrow.compute
from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter
from filelock import FileLock

from empathic import files
from empathic.student.lessons import Row, Rows

Tokens = dict[str, list[int]]
_AT_ONCE = 500  # rows that are written together, and held until then


def encoded(rows: Rows, encode: Callable[[Row], Tokens], folder: Path) -> Dataset:
    """The tokens of rows, in their order, a column for each name that `encode` gives.

    Of several processes that ask at once the first writes the file, and the others wait for it: by a lock, which unlike
    a barrier of theirs bears that it takes longer than they would wait for each other.

    Args:
        rows: at least one.
        encode: gives a row's tokens.
        folder: where the file lies; one of other rows there is removed.

    Raises:
        UserError: a row that can't be read or encoded, or the file can't be written.
    """
    first = encode(next(rows()))
    path = folder / f"tokens-{_fingerprint(rows, first)}.arrow"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".tokens.lock"):
        if not path.exists():
            for left in folder.glob("*tokens-*"):
                left.unlink()
            features = Features({name: List(Value("int32")) for name in first})
            with (
                files.whole(path) as part,
                ArrowWriter(path=str(part), features=features, writer_batch_size=_AT_ONCE) as out,
            ):
                for row in rows():
                    out.write(encode(row))
                out.finalize()
    return Dataset.from_file(str(path))


def lengths(tokens: Dataset, column: str) -> numpy.ndarray[Any, Any]:
    """How many tokens each row has in a column, [N]; the tokens themselves aren't read for it."""
    found: numpy.ndarray[Any, Any] = pyarrow.compute.list_value_length(tokens.data.column(column)).to_numpy()
    return found


def _fingerprint(rows: Rows, first: Tokens) -> str:
    """What tells one file from another: the rows, and how the first of them is encoded.

    A tokenizer, a template or an instruction is told by its tokens, since there is no hash of a tokenizer that stays.
    """
    digest = hashlib.sha256(json.dumps(first, sort_keys=True).encode())
    for row in rows():
        digest.update(json.dumps(row, sort_keys=True).encode())
    return digest.hexdigest()[:16]
