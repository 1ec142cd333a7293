"""A file's text: unpacked where it is gzip, in the encoding that its bytes begin as."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from empathic.errors import UserError

_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


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


def encoding_of(head: bytes) -> str:
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


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell what keeps a file from being read.

    Raises:
        UserError: it isn't in the encoding that it is read in, or can't be read to its end.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise UserError(_undecodable(path, error.encoding)) from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: can't be read ({error}); is the file whole?") from error


def _undecodable(path: Path, encoding: str) -> str:
    """What to say of a file that isn't in the encoding it begins as, with the first line that isn't."""
    if not encoding.startswith("utf-8") and encoding != "utf8":
        return f"{path}: not the {encoding.upper()} that it begins as; save the file as UTF-8"
    with open_bytes(path) as data:
        for number, line in enumerate(data, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f"{path}:{number}: not UTF-8 (Latin-1, perhaps); save the file as UTF-8"
    return f"{path}: not UTF-8; save the file as UTF-8"
