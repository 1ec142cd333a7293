"""The folder that an export goes to: whether it can, and that it gets there whole."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from empathic import files
from empathic.errors import UserError
from empathic.phone import ladder
from empathic.run import exports

_WORK = ".export-"  # how the name of a folder at work begins
_SPARE = 1.05  # times what is forecast has to be free on disk


@contextmanager
def workplace(folder: Path, ours: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """A folder to make an export in, inside the one that it goes to: it may be a disk of its own.

    What was made is moved by `move`; the rest goes, and so does the folder where it is new and nothing was moved.

    Args:
        folder: where it goes.
        ours: whether a folder holds an earlier site, where a site is made; None where an export is.

    Raises:
        UserError: the folder is a file, can't be written, or holds what isn't an export or a site.
    """
    new = not folder.exists()
    try:
        if not new and not folder.is_dir():
            raise UserError(f"{folder}: a file; want a folder to write to")
        folder.mkdir(parents=True, exist_ok=True)
        if any(_foreign(part) for part in folder.iterdir()) and not (ours or _is_export)(folder):
            made = "a site's" if ours else "an export's"
            raise UserError(f"{folder}: holds other files than {made}; name an empty or a new folder with --out")
        work = tempfile.TemporaryDirectory(prefix=_WORK, dir=folder)
    except OSError as error:
        raise UserError(f"{folder}: can't be written ({error.strerror or error}); name another --out") from error
    try:
        with work as made:
            yield Path(made)
    finally:
        if new:
            with suppress(OSError):
                folder.rmdir()  # fails where something was moved


def _foreign(part: Path) -> bool:
    """Whether a file isn't what a killed export or an empty disk has."""
    return part.name != "lost+found" and not part.name.startswith(_WORK)


def _is_export(folder: Path) -> bool:
    earlier = folder / exports.FILE
    found = files.read_json(earlier) if earlier.is_file() else None
    return isinstance(found, dict) and {"rows", "recommended"} <= found.keys()


def check_room(folder: Path, weights: int, quants: Sequence[str], more: int) -> None:
    """Refuse to begin where the disk can't hold all parts of an export at once.

    Args:
        folder: where the export goes.
        weights: how many the model has; they are written twice in float32.
        quants: the files to write.
        more: bytes needed beside.

    Raises:
        UserError: too little is free.
    """
    bits = sum(ladder.QUANTS[name].most * (1 + ladder.QUANTS[name].heeds) for name in quants)
    needed = _SPARE * (weights * (4 + 4 + bits / 8) + more)
    files.check_room(folder, needed, "the export", "name fewer files with --quant")


_MARKS = ("export.json", "student.json")  # they say that a folder is whole, and go last


_MADE_OF_THEM = ("replies", "transformers.js")  # folders that are made of an export's files


def move(ready: Path, folder: Path) -> None:
    """Put what was made in its place; then files of an earlier export that this one has no longer go.

    What was made of an earlier export goes first, its files' replies and such: they are other files now. It comes back
    where nothing new gets there.

    Raises:
        UserError: the folder can't be written.
    """
    rows = files.read_json(folder / "export.json")["rows"] if _is_export(folder) else []
    made_of_them = [name for name in _MADE_OF_THEM if rows and (folder / name).is_dir()]
    try:
        for name in made_of_them:
            (folder / name).rename(ready.parent / f"earlier-{name}")
        parts = sorted(ready.iterdir(), key=lambda part: (part.name in _MARKS, part.name))
        for part in parts:
            _replace(part, folder / part.name, ready.parent / f"earlier-{part.name}")
        for earlier in {Path(row["file"]).name for row in rows if row.get("file")} - {part.name for part in parts}:
            (folder / earlier).unlink(missing_ok=True)
    except BaseException as error:
        for name in made_of_them:
            if (ready / "export.json").exists() and (ready.parent / f"earlier-{name}").exists():
                (ready.parent / f"earlier-{name}").rename(folder / name)
        if not isinstance(error, OSError):
            raise
        raise UserError(f"{folder}: can't be written ({error.strerror or error}); mend that and run again") from error


def put(part: Path, where: Path, aside: Path) -> None:
    """Put a file or a folder in its place, as `move` does with many.

    Raises:
        UserError: it can't be written there.
    """
    try:
        _replace(part, where, aside)
    except OSError as error:
        raise UserError(f"{where}: can't be written ({error.strerror or error}); mend that and run again") from error


def _replace(part: Path, place: Path, aside: Path) -> None:
    """Put a file or a folder in its place; a folder that was there goes aside, and comes back where that fails."""
    there = place.is_dir()
    if there:
        place.rename(aside)
    try:
        part.replace(place)
    except BaseException:  # a Ctrl-C too: what is aside goes with the folder of work
        if there:
            aside.rename(place)
        raise
