"""Files that are either whole or absent: everything is written beside its place, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from empathic.errors import UserError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes `path`'s place only if the block ends well.

    Raises:
        UserError: the folder can't be written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path}: can't be written ({error.strerror or error}); mend that and run again") from error
    finally:
        with suppress(OSError):  # no folder, or a disk that takes no writes: what went wrong is told already
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write one JSON object a line, whole or not at all, and return how many."""
    count = 0
    with whole(path) as part, part.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it is missing or isn't JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from error


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file, skipping blank lines.

    Raises:
        UserError: the file is missing, or a line isn't a UTF-8 JSON object; names the line.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                except (ValueError, RecursionError) as error:
                    raise UserError(f"{path}:{number}: not a JSON object in UTF-8 ({error})") from error
                if not isinstance(row, dict):
                    raise UserError(f"{path}:{number}: want a JSON object, got {type(row).__name__}")
                yield row
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror or error})") from error


def check_readable(path: Path, key: str, want: str) -> None:
    """Refuse what can't be read as a file.

    Args:
        path: the file.
        key: the recipe's key that names it.
        want: what the key may name.

    Raises:
        UserError: there is no such file, it is a folder, or it may not be read.
    """
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        what = {FileNotFoundError: "no such file", IsADirectoryError: "a folder, not a file"}
        why = what.get(type(error), f"can't be read ({error.strerror or error})")
        raise UserError(f"{path}: {why}; {key} wants {want}") from error


def free(folder: Path) -> int:
    """Bytes that are free on the disk where a folder lies, or will lie."""
    above = (folder.absolute(), *folder.absolute().parents)
    return shutil.disk_usage(next(path for path in above if path.is_dir())).free


def check_room(folder: Path, needed: float, what: str, mend: str = "") -> None:
    """Refuse to begin what the disk can't hold.

    Args:
        folder: where it goes, there or not.
        needed: bytes that have to be free.
        what: takes them, as a subject.
        mend: what else helps beside making room.

    Raises:
        UserError: too little is free.
    """
    if (there := free(folder)) < needed:
        takes, left = (f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" for size in (needed, there))
        raise UserError(f"{folder}: {what} takes {takes} and {left} are free; make room{mend and ', or '}{mend}")


def sha256(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names, as hex.

    Raises:
        UserError: it can't be read.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for inner in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{inner.relative_to(path)}\0{sha256(inner)}\n".encode())
        return digest.hexdigest()
    try:
        with path.open("rb") as source:
            while block := source.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror or error}); put it back, or name another") from error
    return digest.hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form, as hex."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
