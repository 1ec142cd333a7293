"""`summary.json`: the figures of a run in one place, for people and programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError

_NEEDED = ("dialogues", "corpus", "sft", "dpo", "judge")
_TRAINING = ("seconds", "examples_per_second", "first_loss", "last_loss", "reward_accuracy")


def summarise(run: Path) -> dict[str, Any]:
    """The figures of a run, from its manifest.

    Raises:
        UserError: `run` is no run directory, or a stage that figures come from isn't done.
    """
    path = run / "manifest.json"
    if not path.exists():
        raise UserError(f"{run}: no manifest.json there; give a run directory, such as runs/demo")
    stages = files.read_json(path)["stages"]
    for name in _NEEDED:
        if stages.get(name, {}).get("status") != "done":
            raise UserError(f"{run}: the stage {name!r} isn't done; go on with `empathic run RECIPE --out {run}`")
    facts = {name: stage.get("facts", {}) for name, stage in stages.items()}
    return {
        "dialogues": {side: facts["dialogues"][side] for side in ("train", "test")},
        "teacher": facts["teacher"],
        "corpus": facts["corpus"],
        "training": {step: {k: facts[step][k] for k in _TRAINING if k in facts[step]} for step in ("sft", "dpo")},
        "judge": facts["judge"]["judge"],
        "win_rates": facts["judge"]["win_rates"],
        "length_controlled": facts["judge"]["length_controlled"],
        "differences": facts["judge"]["differences"],
        "controls": facts["judge"]["controls"],
        "seconds": {name: stage["seconds"] for name, stage in stages.items() if "seconds" in stage},
    }


def write(run: Path) -> Path:
    """Write `summary.json` into a run, and return where.

    Raises:
        UserError: as `summarise` does.
    """
    files.write_json(run / "summary.json", summarise(run))
    return run / "summary.json"


def failed_controls(summary: dict[str, Any]) -> dict[str, list[str]]:
    """Which controls each judge failed."""
    return {
        judge: [name for name, found in controls.items() if not found["passes"]]
        for judge, controls in summary["controls"].items()
    }
