"""When a stage is out of date: every file that it reads or wrote counts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.pipeline.stages import judge
from empathic.recipe import Judge, Recipe
from empathic.run import Run
from empathic.run.artefacts import Manifest


@pytest.mark.parametrize("changed", ["a", "b"])
def test_two_inputs_of_one_file_name_both_count(tmp_path: Path, display: Any, changed: str) -> None:
    judges = []
    for name in ("a", "b"):
        path = tmp_path / name / "q.yaml"
        path.parent.mkdir()
        path.write_text("questions: {warm: Is it warm?}", encoding="utf-8")
        judges.append(Judge(name=name, questions=str(path)))
    run = Run(tmp_path / "run", Recipe(name="r", judge=judges), Manifest(name="r", empathic="0"), display)
    for path in judge.STAGE.inputs(run):
        if path.is_relative_to(run.folder):
            files.write_text(path, "")
    before = judge.STAGE.wants(run)
    assert judge.STAGE.wants(run) == before
    (tmp_path / changed / "q.yaml").write_text("questions: {short: Is it short?}", encoding="utf-8")
    assert judge.STAGE.wants(run) != before


def test_a_file_that_ships_is_made_again_where_it_was_deleted_and_the_others_are_kept(
    empathic, whole, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole.run, run)
    lost, rest = run / "phone" / "sft-q8_0.gguf", [run / "phone" / f"{name}-q8_0.gguf" for name in ("base", "dpo")]
    before, times = files.sha256(lost), [path.stat().st_mtime_ns for path in rest]
    lost.unlink()
    done = empathic("run", whole.recipe, "--out", run)
    assert done.returncode == 0, done.stderr
    assert files.sha256(lost) == before
    assert [path.stat().st_mtime_ns for path in rest] == times
    stages = len(files.read_json(run / "manifest.json")["stages"])
    assert done.stdout.count("kept") == stages - 1, done.stdout
    assert set(files.read_json(run / "manifest.json")["stages"]["phone"]["facts"]["bytes"]) == {
        f"{name}-q8_0.gguf" for name in ("base", "sft", "dpo")
    }
