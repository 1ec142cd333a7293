"""The folder that an export goes to: whether it can, and that it gets there whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from empathic import files
from empathic.errors import UserError
from empathic.phone import ladder

_SPARE = 1.05  # times what is forecast has to be free on disk


def checked(folder: Path) -> Path:
    """The folder, once it is sure that it can be written.

    Raises:
        UserError: it is a file, or what it lies in can't be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent):
            if folder.exists() and not folder.is_dir():
                raise UserError(f"{folder}: a file; want a folder to write to")
            return folder
    except OSError as error:
        raise UserError(f"{folder}: can't be written ({error.strerror or error}); name another --out") from error


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
    needed, free = _SPARE * (weights * (4 + 4 + bits / 8) + more), shutil.disk_usage(folder.parent).free
    if free < needed:
        raise UserError(
            f"{folder}: the export takes {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; make room, or name "
            "fewer files with --quant"
        )


def move(ready: Path, folder: Path) -> None:
    """Put what was made in its place; files of an earlier export that this one has no longer go."""
    earlier = folder / "export.json"
    if earlier.exists():
        for row in files.read_json(earlier).get("rows", []):
            if row.get("file"):
                (folder / row["file"]).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for part in sorted(ready.iterdir()):
        if (folder / part.name).is_dir():
            shutil.rmtree(folder / part.name)
        part.replace(folder / part.name)
