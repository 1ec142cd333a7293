"""Rows of any table as dialogues: a user's JSONL, CSV or TSV, or a Hugging Face data set."""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from empathic import files
from empathic.dialogues.dialogue import Dialogue, Reply
from empathic.errors import UserError

LONGEST = 8000  # characters: about 2,000 tokens, which leaves a small model's context room for the rest
SPLITS = {"": "", "train": "train", "test": "test"} | dict.fromkeys(("valid", "validation"), "validation")
FIELDS = ("id", "emotion", "situation", "utterance", "split")
_RATINGS = {"1": 1, "2": 2, "3": 3, "1.0": 1, "2.0": 2, "3.0": 3}
Row = Mapping[str, Any]


def rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield (place, row) of a .jsonl, .json lines, .csv or .tsv file, gzipped or not; `place` is file:line.

    Raises:
        UserError: the file is missing, empty, not UTF-8, or not what its ending says; names the line.
    """
    if not path.is_file():
        what = "a folder, not a file" if path.is_dir() else "no such file"
        raise UserError(f"{path}: {what}; dialogues.source wants a .jsonl, .csv or .tsv file")
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending not in (".jsonl", ".json", ".ndjson", ".csv", ".tsv"):
        raise UserError(f"{path}: unknown kind of file {ending!r}; want .jsonl, .csv or .tsv")
    try:
        if not any(line.strip(b"\xef\xbb\xbf \t\r\n") for line in _lines(path)):
            raise UserError(f"{path}: the file is empty; want a dialogue a line")
        if ending in (".csv", ".tsv"):
            yield from _csv_rows(path, "\t" if ending == ".tsv" else ",")
        else:
            yield from _json_rows(path)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: can't be read ({error}); is the file whole?") from error


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path) if path.suffix == ".gz" else path.open("rb"))


def _lines(path: Path) -> Iterator[bytes]:
    with _open(path) as data:
        yield from data


def _decoded(path: Path, number: int, line: bytes) -> str:
    """A line as text.

    Raises:
        UserError: it isn't UTF-8, or holds a NUL.
    """
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}:{number}: not UTF-8 (Latin-1, perhaps); save the file as UTF-8") from error
    _no_nul(path, number, text)
    return text


def _no_nul(path: Path, number: int, text: str) -> None:
    if "\0" in text:
        raise UserError(f"{path}:{number}: holds a NUL character; save the file as plain UTF-8 text")


def _json_rows(path: Path) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(_lines(path), 1):
        text = _decoded(path, number, line)
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError as error:
            raise UserError(f"{path}:{number}: not JSON ({error}); want one object a line") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}:{number}: want a JSON object, got {type(row).__name__}")
        yield f"{path}:{number}", row


def _csv_rows(path: Path, delimiter: str) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(1 << 27)
    line = 1
    with _open(path) as data:
        text = io.TextIOWrapper(data, encoding="utf-8-sig", newline="")
        reader = csv.DictReader(text, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                line = reader.line_num
                if None in row or None in row.values():
                    raise UserError(f"{path}:{line}: not as many fields as the header has; check its commas and quotes")
                for value in row.values():
                    _no_nul(path, line, value)
                yield f"{path}:{line}", row
        except (UnicodeDecodeError, csv.Error) as error:
            for number, raw in enumerate(_lines(path), 1):
                _decoded(path, number, raw)
            raise UserError(f"{path}:{reader.line_num}: not CSV ({error}); check its quotes") from error
    if line == 1:
        raise UserError(f"{path}: a header and no rows; want a dialogue a row")


def dialogues(found: Iterable[tuple[str, Row]], columns: Mapping[str, str]) -> Iterator[Dialogue]:
    """Rows as dialogues, one by one.

    An utterance is enough. `replies` is a mapping of origin to text (or to `{"text", "rating"}`); in a table,
    `reply.ORIGIN` and `rating.ORIGIN` columns do the same.

    Args:
        found: (place, row) pairs.
        columns: field -> column, where the table names them otherwise, such as `reply.human: answer`.

    Raises:
        UserError: a missing column (the nearest is suggested), an empty or huge utterance, an id that stands
            twice, or a rating that isn't 1, 2 or 3; names the place.
    """
    seen: set[int] = set()  # hashes: a million ids take 70 MB less
    for place, row in found:
        if not seen:
            _check_columns(place, row, columns)
        dialogue = _dialogue(place, row, columns)
        if hash(dialogue.id) in seen:
            raise UserError(f"{place}: the id {dialogue.id!r} stands before this line too; ids must differ")
        seen.add(hash(dialogue.id))
        yield dialogue


def _check_columns(place: str, row: Row, columns: Mapping[str, str]) -> None:
    for field, column in {"utterance": "utterance", **columns}.items():
        if field not in FIELDS and not field.startswith(("reply.", "rating.")):
            raise UserError(f"dialogues.columns: {field!r} is no field; want {', '.join(FIELDS)}, reply.X or rating.X")
        if column not in row:
            close = difflib.get_close_matches(column, list(row), 1, 0.5)
            hint = f"did you mean {close[0]!r}? " if close else f"it has {', '.join(map(str, row))}; "
            raise UserError(f"{place}: no column {column!r}; {hint}Name it in the recipe: columns: {{{field}: ...}}")


def _dialogue(place: str, row: Row, columns: Mapping[str, str]) -> Dialogue:
    values = {field: _text(place, field, row.get(columns.get(field, field))) for field in FIELDS}
    utterance = values["utterance"]
    if not utterance:
        raise UserError(f"{place}: the utterance is empty; fill it in or drop the row")
    for field in ("utterance", "situation"):
        if len(values[field]) > LONGEST:
            raise UserError(f"{place}: the {field} has {len(values[field])} characters; at most {LONGEST} can be used")
    if (split := SPLITS.get(values["split"].lower())) is None:
        raise UserError(f"{place}: the split is {values['split']!r}; want train, validation or test")
    return Dialogue(
        id=values["id"] or files.digest([values["situation"], utterance])[:12],
        utterance=utterance,
        situation=values["situation"],
        emotion=values["emotion"],
        replies=_replies(place, row, columns),
        split=split,
    )


def _replies(place: str, row: Row, columns: Mapping[str, str]) -> dict[str, Reply]:
    texts: dict[str, Any] = {}
    ratings: dict[str, Any] = {}
    named = {field: row.get(column) for field, column in columns.items()}
    for key, value in {**row, **named}.items():
        kind, _, origin = str(key).partition(".")
        if origin and kind == "reply":
            texts[origin] = value
        elif origin and kind == "rating":
            ratings[origin] = value
    nested = row.get("replies") or {}
    if not isinstance(nested, Mapping):
        raise UserError(f'{place}: replies is {type(nested).__name__}; want origin: text, such as {{"human": "..."}}')
    for origin, value in nested.items():
        if isinstance(value, Mapping):
            texts[origin], ratings[origin] = value.get("text"), value.get("rating")
        else:
            texts[origin] = value
    replies = {}
    for origin, value in texts.items():
        if text := _text(place, f"reply of {origin}", value):
            replies[origin] = Reply(text, rating(place, origin, ratings.get(origin)))
    return replies


def _text(place: str, field: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise UserError(f"{place}: {field} is {type(value).__name__}; want text")
    return str(value).strip()


def rating(place: str, origin: str, value: Any) -> int | None:
    """A rating of 1, 2 or 3, or None where there is none.

    Raises:
        UserError: anything else.
    """
    if value is None or value == "":
        return None
    if str(value).strip() not in _RATINGS:
        raise UserError(f"{place}: the rating of {origin} is {value!r}; want 1 (bad), 2 (okay) or 3 (good)")
    return _RATINGS[str(value).strip()]
