"""Several processes train as one does: real processes, gloo between them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from empathic import files

SMALL = ("--set", "steps.sft.batch_size=4", "--set", "steps.dpo.batch_size=4", "--until", "dpo")


@pytest.mark.long
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processes want two cores")
@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one_with_twice_the_accumulation(
    empathic, recipe_file: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    twice = "gradient_accumulation_steps=2"
    accumulated = ("--set", f"steps.sft.{twice}", "--set", f"steps.dpo.{twice}")
    done = empathic("run", recipe_file, "--out", one, *SMALL, *accumulated)
    assert done.returncode == 0, done.stderr
    done = empathic("run", recipe_file, "--out", two, *SMALL, "--processes", 2)
    assert done.returncode == 0, done.stderr
    for step in ("sft", "dpo"):
        curves = [
            [row["loss"] for row in json.loads((run / "student" / f"{step}.json").read_text("utf-8"))["history"]]
            for run in (one, two)
        ]
        assert len(curves[0]) == 3
        assert curves[0] == pytest.approx(curves[1], abs=1e-4)
    assert files.read_json(two / "manifest.json")["stages"]["dpo"]["facts"]["reward_accuracy"] >= 0
    assert not (two / "student" / "dpo" / "ref").exists()


@pytest.mark.slow
def test_more_processes_than_cores_are_refused(refused, recipe_file: Path, tmp_path: Path) -> None:
    line = refused("run", recipe_file, "--out", tmp_path / "run", "--until", "sft", "--processes", 999)
    assert "--processes 999: this machine has" in line
