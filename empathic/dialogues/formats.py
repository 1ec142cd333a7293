"""What a file is (its encoding, format and dialect, told by its content), and the rows in it."""

from __future__ import annotations

import csv
import functools
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from empathic.dialogues import json_rows, parquet_rows
from empathic.errors import UserError

ENDINGS = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".gz")
WANTED = "a .jsonl, .json, .csv, .tsv or .parquet file"
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_BINARY = {b"PK\x03\x04": "an Excel workbook or a zip", b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"%PDF": "a PDF"}
_HEAD = 1 << 16  # bytes from which encoding and format are told
_QUOTES: dict[str, dict[str, Any]] = {
    "doubled": {},
    "backslash": {"escapechar": "\\", "doublequote": False},
    "none": {"quoting": csv.QUOTE_NONE},
}
Row = Mapping[str, Any]
Kind = Literal["JSON lines", "JSON array", "JSON object", "CSV", "Parquet"]


@dataclass(frozen=True)
class Format:
    """What a file is.

    Attributes:
        kind: how rows stand in it.
        encoding: of its text, as Python names it; of Parquet "".
        delimiter: between the fields of a CSV.
        quotes: how a CSV quotes quotes: doubled, by a backslash, or not at all.
        begins: the line of a CSV's header; 2 after Excel's `sep=;`.
    """

    kind: Kind
    encoding: str = ""
    delimiter: str = ""
    quotes: str = "doubled"
    begins: int = 1


def rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield (place, row) of a file in any of the formats, gzipped or not; `place` is file:line, or file:row of Parquet.

    Raises:
        UserError: the file is missing, empty, in no format or encoding that is known, or broken; names the line.
    """
    found = format_of(path)
    try:
        if found.kind == "Parquet":
            yield from parquet_rows.rows(path)
        elif found.kind == "CSV":
            yield from _csv_rows(path, found)
        else:
            with open_text(path, found.encoding) as text:
                held = json_rows.READERS[found.kind](path, text)
                if (first := next(held, None)) is None:
                    raise UserError(f"{path}: no rows; want a dialogue a row")
                yield first
                yield from held
    except UnicodeDecodeError as error:
        raise UserError(_undecodable(path, found.encoding)) from error
    except RecursionError as error:
        raise UserError(f"{path}: nested too deeply; want a flat object a row") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: can't be read ({error}); is the file whole?") from error


def format_of(path: Path) -> Format:
    """What a file is, by its content; its ending decides only where that leaves it open.

    Raises:
        UserError: no such file, an empty one, or none of the formats.
    """
    if not path.is_file():
        what = "a folder, not a file" if path.is_dir() else "no such file"
        raise UserError(f"{path}: {what}; dialogues.source wants {WANTED}")
    try:
        stat = path.stat()
        return _format_of(path, stat.st_size, stat.st_mtime_ns)
    except UnicodeDecodeError as error:
        raise UserError(_undecodable(path, error.encoding)) from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: can't be read ({error}); is the file whole?") from error


@functools.lru_cache(maxsize=64)
def _format_of(path: Path, size: int, changed: int) -> Format:
    """As `format_of`; size and time of the change make a file that was changed another one."""
    with open_bytes(path) as data:
        head = data.read(_HEAD)
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise UserError(f"{path}: is {what}; save it as CSV UTF-8 and name that")
    if head.startswith(b"PAR1"):
        return Format("Parquet")
    encoding = _encoding(head)
    with open_text(path, encoding) as text:
        full = (line for line in text if _bare(line))
        first, alone = next(full, ""), next(full, None) is None
    opens = _bare(first)
    if not opens:
        raise UserError(f"{path}: the file is empty; want a dialogue a line")
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending not in (".csv", ".tsv") or (opens[0] in "[{" and _is_json(opens)):
        if opens[0] == "[":
            return Format("JSON array", encoding)
        if opens[0] == "{":
            return Format(
                "JSON lines" if opens.endswith("}") and not (alone and _wraps(opens)) else "JSON object", encoding
            )
        if ending in (".json", ".jsonl", ".ndjson"):
            return Format("JSON lines", encoding)
    return _dialect(path, encoding, first, "\t" if ending == ".tsv" else ",")


def _bare(line: str) -> str:
    return line.replace("\ufeff", "").strip()


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _wraps(line: str) -> bool:
    """Whether a line is a whole object that holds nothing but lists of rows, such as `{"train": [{...}]}`."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and json_rows.wrapped(found) is not None


def open_bytes(path: Path) -> BinaryIO:
    """A file's bytes, unpacked where it is gzip, whatever its name.

    Raises:
        OSError: it can't be opened.
    """
    with path.open("rb") as data:
        packed = data.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path) if packed else path.open("rb"))


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """A file's text, line ends as they are."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline="")


def _encoding(head: bytes) -> str:
    """UTF-8, or UTF-16 or 32 by a BOM or by NULs in every other place: others can't be told apart for certain."""
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            return encoding
    even, odd, half = head[::2].count(0), head[1::2].count(0), len(head) / 2
    if odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.05 * half:
        return "utf-16-be"
    return "utf-8"


def _undecodable(path: Path, encoding: str) -> str:
    if not encoding.startswith("utf-8") and encoding != "utf8":
        return f"{path}: not the {encoding.upper()} that it begins as; save the file as UTF-8"
    with open_bytes(path) as data:
        for number, line in enumerate(data, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f"{path}:{number}: not UTF-8 (Latin-1, perhaps); save the file as UTF-8"
    return f"{path}: not UTF-8; save the file as UTF-8"


def _dialect(path: Path, encoding: str, first: str, usual: str) -> Format:
    """How a CSV parts and quotes its fields: the way in which all rows have as many as the header."""
    csv.field_size_limit(1 << 27)
    if said := re.fullmatch(r'\ufeff?"?sep=(.)"?[\r\n]*', first):
        return Format("CSV", encoding, said[1], "doubled", 2)
    bare = re.sub(r'"[^"]*"', "", first)
    there = [d for d in dict.fromkeys((usual, ",", ";", "\t", "|")) if d in bare] or [usual]
    ways = [Format("CSV", encoding, d, q) for d in there for q in _QUOTES if q != "none" or d == "\t"]
    if len(there) == 1 and (there[0] not in bare):  # one column: no text of it is to be parted
        ways += [Format("CSV", encoding, d, "doubled") for d in "\x1f"]
    scores = [(*_fit(path, way), -number) for number, way in enumerate(ways)]
    return ways[-max(scores)[-1]]


def _fit(path: Path, way: Format) -> tuple[bool, int]:
    """Whether a dialect reads a whole file, and the number of columns it finds there."""
    columns = 0
    if way.quotes == "backslash":  # such a reader bears anything: it is right only where there are such quotes
        with open_text(path, way.encoding) as text:
            if not any('\\"' in line for line in text):
                return False, 0
    try:
        for _, row in _records(path, way):
            columns = columns or len(row)
            if len(row) != columns:
                return False, 0
    except csv.Error:
        return False, 0
    return True, columns


def _records(path: Path, way: Format) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV, the header among them, each with the line that it begins on; empty lines are none."""
    with open_text(path, way.encoding) as text:
        for _ in range(1, way.begins):
            next(text)
        reader = csv.reader(text, delimiter=way.delimiter, strict=True, **_QUOTES[way.quotes])
        line = way.begins
        try:
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + way.begins
        except csv.Error as error:
            raise csv.Error(f"{line}: not CSV ({error})") from error


def _csv_rows(path: Path, way: Format) -> Iterator[tuple[str, Row]]:
    header: list[str] = []
    count = 0
    try:
        for line, record in _records(path, way):
            if any("\0" in value for value in record):
                raise UserError(f"{path}:{line}: holds a NUL character; save the file as plain UTF-8 text")
            if not header:
                header = [name.strip() for name in record]
                continue
            count += 1
            if len(record) < len(header) or any(record[len(header) :]):
                raise UserError(f"{path}:{line}: not as many fields as the header has; check its commas and quotes")
            yield f"{path}:{line}", dict(zip(header, record, strict=False))
    except csv.Error as error:
        raise UserError(f"{path}:{error}; check its quotes") from error
    if not count:
        raise UserError(f"{path}: a header and no rows; want a dialogue a row")


def comma_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of an original EmpatheticDialogues table, where a comma always parts and a quote is a mere character.

    Its eighth field, tags, is often empty; valid and test have candidates in a ninth, for which the header has no name.

    Raises:
        UserError: the file can't be read, isn't UTF-8, or a row has fewer fields than an utterance needs.
    """
    try:
        with open_text(path, "utf-8-sig") as text:
            lines: Iterable[str] = (line.strip("\r\n") for line in text)
            header: list[str] = []
            for number, line in enumerate(lines, 1):
                fields = line.split(",")
                if not header:
                    header = fields
                elif line.strip():
                    if len(fields) < min(6, len(header)):
                        raise UserError(f"{path}:{number}: {len(fields)} fields; an utterance has at least six")
                    yield f"{path}:{number}", dict(zip(header, fields, strict=False))
    except UnicodeDecodeError as error:
        raise UserError(_undecodable(path, "utf-8")) from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: can't be read ({error}); is the file whole?") from error
