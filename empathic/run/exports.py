"""The folder of an export: what it says of its files, and where they keep their replies."""

from __future__ import annotations

from pathlib import Path

from empathic.run import artefacts
from empathic.run.artefacts import Export

FILE = "export.json"  # in the folder, and a copy of the last one in the run


def is_export(folder: Path) -> bool:
    """Whether a folder is an export's, and no run's, which keeps a copy."""
    return (folder / FILE).is_file() and not (folder / "dialogues.jsonl").exists()


def read(folder: Path) -> Export:
    """What an export, or a run of its last one, says.

    Raises:
        UserError: there is none, or another version wrote it.
    """
    return artefacts.read(folder / FILE, Export)


def of_run(run: Path) -> Path:
    """Where a run's last export lies, or where one goes."""
    return run / (read(run).folder if (run / FILE).exists() else "export")


def replies(folder: Path, file: str) -> Path:
    """What a file of an export replied to test dialogues."""
    return folder / "replies" / f"{Path(file).stem}.jsonl"


def replied(folder: Path) -> list[str]:
    """The files of an export that have replies, in the ladder's order."""
    return [row.file for row in read(folder).rows if row.file and replies(folder, row.file).exists()]
