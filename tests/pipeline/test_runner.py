"""Whole runs with a tiny student and a tiny judge: real training, real files, a real server."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.files import read_json
from empathic.pipeline.stages.order import stages_of
from empathic.recipe import Recipe

NAMES = [stage.name for stage in stages_of(Recipe(name="r"))]


def _start(folder: Path, *arguments: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "empathic.cli", "run", *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _probabilities(run: Path) -> dict[tuple[str, str, str, str], float]:
    found = {}
    for path in sorted((run / "verdicts").glob("*.*.jsonl")):
        for row in files.read_jsonl(path):
            for system, scores in row["scores"].items():
                for judge, questions in scores.get("probabilities", {}).items():
                    for question, value in questions.items():
                        found[path.name, row["id"], system, f"{judge} {question}"] = value
    return found


def _differences(one: Path, two: Path) -> list[str]:
    """Files of two runs that should be byte-identical and aren't."""
    names = ["dialogues.jsonl", "teacher.jsonl", "corpus/sft.jsonl", "corpus/preferences.jsonl"]
    names += [f"student/{step}/adapter_model.safetensors" for step in ("sft", "dpo")]
    return [name for name in names if files.sha256(one / name) != files.sha256(two / name)]


def test_a_run_goes_through_and_then_keeps_everything(empathic, whole) -> None:
    run = whole.run
    manifest = read_json(run / "manifest.json")
    assert list(manifest["stages"]) == NAMES
    assert all(stage["status"] == "done" for stage in manifest["stages"].values())
    for name in ("base", "sft", "dpo"):
        assert (run / "phone" / f"{name}-q8_0.gguf").read_bytes()[:4] == b"GGUF"
    rows = list(files.read_jsonl(run / "replies" / "dpo.jsonl"))
    assert [set(row) for row in rows] == [{"id", "emotion", "situation", "utterance", "reply"}] * 4
    summary = read_json(run / "summary.json")
    assert summary["dialogues"] == {"train": 4, "test": 4}
    assert summary["corpus"]["sft"] == 4
    assert {(r["a"], r["b"], r["measure"]) for r in summary["win_rates"]} >= {
        ("dpo", "base", "agreed"),
        ("sft", "base", "behaviours"),
        ("dpo", "stock", "specificity"),
    }
    assert set(summary["controls"]["behaviours"]) == {"another", "stock", "shuffled"}
    assert "report.html" in whole.printed
    assert not list(run.rglob("*.part")) and not list(run.rglob("*-checkpoints"))

    before = {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file() and p.name in ("sft.jsonl", "dpo.jsonl")}
    again = empathic("run", whole.recipe, "--out", run)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("kept") == len(NAMES)
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.long
def test_a_run_killed_again_and_again_ends_as_an_undisturbed_one(
    empathic, whole, recipe_file: Path, tmp_path: Path
) -> None:
    dice = random.Random(20251)
    killed = 0
    for _ in range(3):
        process = _start(tmp_path, recipe_file, "--out", tmp_path / "killed")
        try:
            # The first seconds of a process are imports, where nothing can go wrong: aim past them.
            process.communicate(timeout=dice.uniform(0.15, 0.6) * whole.seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
    assert killed >= 1
    last = empathic("run", recipe_file, "--out", tmp_path / "killed")
    assert last.returncode == 0, last.stderr
    assert _differences(whole.run, tmp_path / "killed") == []
    one, two = _probabilities(whole.run), _probabilities(tmp_path / "killed")
    assert one.keys() == two.keys()
    assert max(abs(one[key] - two[key]) for key in one) <= 0.02


@pytest.mark.slow
def test_a_changed_recipe_is_refused_with_what_changed_unless_told_to_redo(
    empathic, refused, recipe_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert empathic("run", recipe_file, "--out", run, "--until", "corpus").returncode == 0
    line = refused("run", recipe_file, "--out", run, "--until", "corpus", "--set", "seed=7")
    assert "seed: 42 -> 7" in line
    assert "--redo" in line
    done = empathic("run", recipe_file, "--out", run, "--until", "corpus", "--set", "seed=7", "--redo")
    assert done.returncode == 0, done.stderr
    assert "kept" not in done.stdout.split("teacher")[0]
    later = empathic(
        "run", recipe_file, "--out", run, "--until", "corpus", "--set", "seed=7", "--set", "steps.sft.epochs=9"
    )
    assert later.returncode == 0, "a key of a stage that isn't done may change"


@pytest.mark.slow
def test_known_replies_that_no_test_dialogue_has_are_told_before_any_work(
    refused, recipe_file: Path, tmp_path: Path
) -> None:
    line = refused("run", recipe_file, "--out", tmp_path / "run", "--set", "sample.references={human: 2}")
    assert line.endswith("no test dialogue has a reply of 'human'; theirs are of: dull, kind")


def test_a_scorer_that_is_not_there_is_told_before_any_work(refused, recipe_file: Path, tmp_path: Path) -> None:
    assert "no scorer there" in refused(
        "run", recipe_file, "--out", tmp_path / "run", "--set", "epitome_scorer=nowhere"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_checkpoint_of_another_recipe_is_not_gone_on_from(empathic, recipe_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert empathic("run", recipe_file, "--out", run, "--until", "corpus").returncode == 0
    manifest = read_json(run / "manifest.json")
    manifest["stages"]["sft"] = {"status": "running", "recipe": {"seed": 1}, "inputs": {}}
    files.write_json(run / "manifest.json", manifest)
    left = run / "student" / ".sft-checkpoints" / "checkpoint-5"
    left.mkdir(parents=True)
    (left / "whole").touch()  # going on from it would fail: there is nothing in it
    done = empathic("run", recipe_file, "--out", run, "--until", "sft")
    assert done.returncode == 0, done.stderr
    assert not left.exists()


@pytest.mark.slow
def test_changed_data_under_a_finished_stage_does_it_over(
    empathic, recipe_file: Path, eight: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert empathic("run", recipe_file, "--out", run, "--until", "corpus").returncode == 0
    lines = eight.read_text(encoding="utf-8").splitlines()
    eight.write_text("\n".join(lines[2:]) + "\n", encoding="utf-8")
    assert empathic("run", recipe_file, "--out", run, "--until", "corpus").returncode == 0
    assert len(list(files.read_jsonl(run / "corpus" / "sft.jsonl"))) == 3


@pytest.mark.slow
def test_a_folder_that_is_another_runs_or_nobodys_is_refused(
    empathic, refused, recipe_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert empathic("run", recipe_file, "--out", run, "--until", "dialogues").returncode == 0
    assert "holds the run 'small', not 'other'" in refused("run", recipe_file, "--out", run, "--set", "name=other")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"x")
    assert "holds other files" in refused("run", recipe_file, "--out", tmp_path / "photos")
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["cat.png"]


@pytest.mark.slow
def test_two_runs_in_one_folder_at_once_are_refused(refused, recipe_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = _start(tmp_path, recipe_file, "--out", run)
    try:
        while not (run / "manifest.json").exists() and first.poll() is None:
            time.sleep(0.05)
        assert "another run is at work" in refused("run", recipe_file, "--out", run)
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()


@pytest.mark.slow
def test_an_out_that_cannot_be_written_is_refused(refused, recipe_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert "can't be written" in refused("run", recipe_file, "--out", tmp_path / "file" / "run")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 200 kB, which only root can make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_in_one_line_and_the_same_command_goes_on(
    empathic, refused, recipe_file: Path, small_disk: Path
) -> None:
    run = small_disk / "run"
    line = refused("run", recipe_file, "--out", run)
    assert "No space left" in line or "disk is full" in line
    assert not [path for path in run.rglob("*.part") if path.is_file()]
    assert json.loads((run / "manifest.json").read_text(encoding="utf-8"))["stages"]["corpus"]["status"] == "done"
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    done = empathic("run", recipe_file, "--out", run, "--until", "sft")
    assert done.returncode == 0, done.stderr
    assert "kept" in done.stdout


@pytest.mark.slow
def test_a_dry_run_says_what_would_be_done_and_writes_nothing(empathic, recipe_file: Path, tmp_path: Path) -> None:
    done = empathic("run", recipe_file, "--out", tmp_path / "run", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "4 to train on, 4 to test on" in done.stdout
    assert "6 steps" in done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["demo"])
def test_until_stops_after_the_stage(empathic, recipe: str, tmp_path: Path) -> None:
    done = empathic("run", recipe, "--out", tmp_path / "run", "--until", "corpus")
    assert done.returncode == 0, done.stderr
    assert len(list(files.read_jsonl(tmp_path / "run" / "corpus" / "sft.jsonl"))) == 2400
    assert not (tmp_path / "run" / "student").exists()
