"""Checkpoints that count only when all of them is on disk, so that a training that is killed goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback


class Watch(TrainerCallback):
    """Report every step, and mark each checkpoint as whole once it is."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self.progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell of the step."""
        self.progress(state.global_step, state.max_steps)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Leave a mark beside what was written."""
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / "whole").touch()


def folder(out: Path) -> Path:
    """Where the checkpoints of what will be `out` lie."""
    return out.with_name(f".{out.name}-checkpoints")


def whole(out: Path) -> list[Path]:
    """The whole checkpoints of what will be `out`, the latest last."""
    found = folder(out).glob("checkpoint-*/whole")
    return sorted((mark.parent for mark in found), key=steps)


def drop_torn(out: Path) -> None:
    """Remove the checkpoints that were being written when a process was killed."""
    for torn in set(folder(out).glob("checkpoint-*")) - set(whole(out)):
        shutil.rmtree(torn)


def steps(checkpoint: Path) -> int:
    """How many steps were done at a checkpoint."""
    return int(checkpoint.name.split("-")[1])
