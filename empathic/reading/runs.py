"""What readings need of a run's folder: its dialogues, and what each system replied to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.judge.replies import read_replies

SPLITS = ("test", "validation", "train")


def dialogues(run: Path, splits: Sequence[str] = SPLITS) -> list[Dialogue]:
    """The dialogues of some splits.

    Raises:
        UserError: the folder is no run's.
    """
    if not (run / "dialogues.jsonl").exists():
        raise UserError(f"{run}: no dialogues.jsonl there; give a run directory, such as runs/demo, or NAME=FILE")
    found = [Dialogue.from_row(row) for row in files.read_jsonl(run / "dialogues.jsonl")]
    return [d for split in splits for d in found if d.split == split]


def systems(run: Path) -> list[str]:
    """The systems that have a file of replies."""
    return sorted(path.stem for path in (run / "replies").glob("*.jsonl"))


def said(run: Path, system: str, asked: Sequence[Dialogue]) -> dict[str, str]:
    """A system's replies by dialogue id: of its file, else those that came with the dialogues."""
    path = run / "replies" / f"{system}.jsonl"
    if path.exists():
        there = read_replies(path)[1]
        return {d.id: there[d.id] for d in asked if d.id in there}
    return {d.id: d.replies[system].text for d in asked if system in d.replies}
