"""What readings need of a run's folder: its dialogues, and what each system replied to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.judge.replies import read_replies
from empathic.run import exports

_EXPORTED = ".gguf"  # names of steps hold no dot
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
    """A system's replies by dialogue id: of its file, else those that came with the dialogues.

    A system that is named as an exported file, such as `dpo-q5_0.gguf`, is that file.
    """
    path = run / "replies" / f"{system}.jsonl"
    if system.endswith(_EXPORTED):
        path = exports.replies(exports.of_run(run), system)
    if path.exists():
        there = read_replies(path)[1]
        return {d.id: there[d.id] for d in asked if d.id in there}
    return {d.id: d.replies[system].text for d in asked if system in d.replies}


def exported(run: Path) -> list[str]:
    """The files of a run's last export that have replies."""
    folder = exports.of_run(run)
    return exports.replied(folder) if exports.is_export(folder) else []


def of_sources(sources: Sequence[str]) -> Path | None:
    """The run that all sources belong to, be they its folder or its export's; None where it isn't one."""
    found = {_owner(Path(source)) if Path(source).is_dir() else None for source in sources}
    return found.pop() if len(found) == 1 else None


def _owner(folder: Path) -> Path | None:
    """The run of a folder; of an export that lies elsewhere than in its run, nothing says which it is."""
    if not exports.is_export(folder):
        return folder.resolve()
    run = folder.resolve().parent
    in_its_run = (run / exports.FILE).exists() and exports.of_run(run).resolve() == folder.resolve()
    return run if in_its_run else None
