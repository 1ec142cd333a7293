"""What a file is (its encoding, format and dialect, told by its content), and the rows in it."""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from empathic.dialogues import csv_rows, json_rows, parquet_rows
from empathic.dialogues.encodings import encoding_of, open_bytes, open_text, reading
from empathic.errors import UserError

ENDINGS = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".gz")
WANTED = "a .jsonl, .json, .csv, .tsv or .parquet file"
_ZIP = b"PK\x03\x04"
_BINARY = {b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"%PDF": "a PDF"}
_PACKED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf": "7-Zip"}
_WORKBOOK = ("xl/", "mimetype")  # what a zip holds that is Excel's or LibreOffice's
_HEAD = 1 << 16  # bytes from which encoding and format are told
Row = Mapping[str, Any]
Kind = Literal["JSON lines", "JSON array", "JSON object", "CSV", "Parquet"]


@dataclass(frozen=True)
class Format:
    """What a file is.

    Attributes:
        kind: how rows stand in it.
        encoding: of its text, as Python names it; of Parquet "".
        dialect: how a CSV is written; of others None.
    """

    kind: Kind
    encoding: str = ""
    dialect: csv_rows.Dialect | None = None


def rows(path: Path, wanted: parquet_rows.Wanted = list) -> Iterator[tuple[str, Row]]:
    """Yield (place, row) of a file in any of the formats, gzipped or not; `place` is file:line, or file:row of Parquet.

    Args:
        path: the file.
        wanted: which columns are read, where a format lets others be passed over.

    Raises:
        UserError: the file is missing, empty, in no format or encoding that is known, or broken; names the line.
    """
    found = format_of(path)
    with reading(path):
        if found.kind == "Parquet":
            yield from parquet_rows.rows(path, wanted)
        elif found.dialect:
            yield from csv_rows.rows(path, found.encoding, found.dialect)
        else:
            yield from _json_rows(path, found)


def _json_rows(path: Path, found: Format) -> json_rows.Rows:
    try:
        with open_text(path, found.encoding) as text:
            held = json_rows.READERS[found.kind](path, text)
            if (first := next(held, None)) is None:
                raise UserError(f"{path}: no rows; want a dialogue a row")
            yield first
            yield from held
    except RecursionError as error:
        raise UserError(f"{path}: nested too deeply; want a flat object a row") from error


def format_of(path: Path) -> Format:
    """What a file is, by its content; its ending decides only where that leaves it open.

    Raises:
        UserError: no such file, an empty one, or none of the formats.
    """
    if not path.is_file():
        what = "a folder, not a file" if path.is_dir() else "no such file"
        raise UserError(f"{path}: {what}; dialogues.source wants {WANTED}")
    with reading(path):
        stat = path.stat()
        return _format_of(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _format_of(path: Path, size: int, changed: int) -> Format:
    """As `format_of`; size and time of the change make a file that was changed another one."""
    with open_bytes(path) as data:
        head = data.read(_HEAD)
    _check_table(path, head)
    if head.startswith(b"PAR1"):
        return Format("Parquet")
    encoding = encoding_of(head)
    with open_text(path, encoding) as text:
        full = ((number, line) for number, line in enumerate(text, 1) if _bare(line))
        (number, first), alone = next(full, (1, "")), next(full, None) is None
    opens = _bare(first)
    if not opens:
        raise UserError(f"{path}: the file is empty; want a dialogue a line")
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending not in (".csv", ".tsv") or (opens[0] in "[{" and _json(opens) is not None):
        if opens[0] == "[":
            return Format("JSON array", encoding)
        if opens[0] == "{":
            return Format(
                "JSON lines" if opens.endswith("}") and not (alone and _wraps(opens)) else "JSON object", encoding
            )
        if ending in (".json", ".jsonl", ".ndjson"):
            return Format("JSON lines", encoding)
    way = csv_rows.dialect(path, encoding, first, number, "\t" if ending == ".tsv" else ",")
    return Format("CSV", encoding, way)


def _check_table(path: Path, head: bytes) -> None:
    """Refuse what is no text at all, by its first bytes, with what to do about it."""
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise UserError(f"{path}: is {what}; save it as CSV UTF-8 and name that")
    for magic, what in _PACKED.items():
        if head.startswith(magic):
            raise UserError(f"{path}: is packed with {what}; unpack it and name the file that comes out")
    if head[257:262] == b"ustar":
        raise UserError(f"{path}: is a tar archive; unpack it and name the file or folder that comes out")
    if head.startswith(_ZIP):
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
        except (zipfile.BadZipFile, OSError):
            names = []
        if any(name.startswith(_WORKBOOK) for name in names):
            raise UserError(f"{path}: is an Excel or LibreOffice workbook; save it as CSV UTF-8 and name that")
        held = f", such as {names[0]}" if names else ""
        raise UserError(f"{path}: is a zip; unpack it and name a file that comes out{held}")


def header_place(place: str) -> str:
    """Where the columns of a row are named: the header's line of a CSV; else the row's own place.

    Args:
        place: of the row, as `rows` gives it.
    """
    name = place.rpartition(":")[0]
    way = format_of(Path(name)).dialect if Path(name).is_file() else None
    return f"{name}:{way.begins}" if way else place


def _bare(line: str) -> str:
    return line.replace("\ufeff", "").strip()


def _json(line: str) -> Any:
    """The value in a line, None where it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _wraps(line: str) -> bool:
    """Whether a line is a whole object that holds nothing but lists of rows, such as `{"train": [{...}]}`."""
    found = _json(line)
    return isinstance(found, dict) and json_rows.wrapped(found) is not None
