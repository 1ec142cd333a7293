"""A run with a distillation step, from end to end: its teacher is the student of another run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from distilling import recipe_of

from empathic import files
from empathic.errors import UserError
from empathic.pipeline.plan import plan
from empathic.pipeline.runner import run_pipeline
from empathic.pipeline.stages.order import stages_of
from empathic.recipe import load_recipe
from empathic.run import Run
from empathic.run.artefacts import StageRecord
from empathic.student import prompt

ANY_SIZE = ("--set", "sample={}")
STEP = "epochs: 2, learning_rate: 1.0e-3, batch_size: 2, save_steps: 1"
SFT = f"{{name: sft, {STEP}}}"


def _steps(whole, *before: str, own: float = 0.5, more: str = "") -> str:
    distil = f"{{name: distil, teacher: {whole.run}, own: {own}, {STEP}{more}}}"
    return f"steps=[{', '.join((*before, distil))}]"


@pytest.mark.slow
@pytest.mark.parametrize(
    "before", [(SFT,), pytest.param((), marks=pytest.mark.long)], ids=["after sft", "from the base"]
)
def test_a_student_is_taught_by_another_runs_student(
    empathic, recipe_file: Path, whole, tmp_path: Path, before: tuple[str, ...]
) -> None:
    out, changes = tmp_path / "run", [_steps(whole, *before), "sample={controls: 2}"]
    recipe = load_recipe(str(recipe_file), changes)
    asked = ("run", recipe_file, "--out", out, *(part for one in changes for part in ("--set", one)))
    forecast = dict(plan(recipe, out))
    assert forecast["distil-replies"] == "2 replies of the student's own, 2 of the corpus"
    assert forecast["distil"].startswith(f"4 steps on sft, taught by {whole.run}; ")
    done = empathic(*asked)
    assert done.returncode == 0, done.stderr

    run = Run.open(out)
    assert [*run.manifest.stages, "training"] == list(forecast)
    assert run.systems == ("base", *(["sft"] if before else []), "distil")
    rows = list(files.read_jsonl(run.lessons(run.recipe.step("distil"))))
    corpus = {row["id"]: row["completion"] for row in files.read_jsonl(run.corpus("sft"))}
    assert [row["own"] for row in rows].count(True) == 2 and all(row["emotion"] for row in rows)
    assert all((row["completion"] == corpus[row["id"]]) != row["own"] for row in rows)
    assert run.manifest.stages["distil-replies"].facts["own"] == 2
    assert set(run.manifest.stages["distil"].inputs) >= {"student/distil-replies.jsonl", "dpo"}
    assert len(files.read_json(run.history("distil"))["history"]) == 4
    assert list(run.summary().training) == [step.name for step in recipe.steps]
    assert "<figcaption>DISTIL loss</figcaption>" in run.page_file.read_text(encoding="utf-8")
    assert not [path for path in run.path("student").iterdir() if path.name.startswith(".")]
    kept = empathic(*asked, "--until", "distil")
    assert kept.returncode == 0 and list(files.read_jsonl(run.lessons(run.recipe.step("distil")))) == rows


@pytest.mark.slow
def test_replies_of_the_corpus_alone_ask_no_student_and_fewer_examples_are_drawn(
    empathic, recipe_file: Path, whole, tmp_path: Path
) -> None:
    asked = ("--set", _steps(whole, own=0.0, more=", examples: 3, teacher_step: sft"), *ANY_SIZE)
    done = empathic("run", recipe_file, "--out", tmp_path / "run", "--until", "distil", *asked)
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "run")
    rows = list(files.read_jsonl(run.lessons(run.recipe.step("distil"))))
    assert len(rows) == 3 and not any(row["own"] for row in rows)
    assert "sft" in run.manifest.stages["distil"].inputs


@pytest.mark.slow
def test_what_a_teacher_is_told_is_kept_and_an_edit_makes_its_stage_run_anew(
    tiny: Path, larger: Path, tmp_path: Path, display
) -> None:
    told, out = tmp_path / "told.txt", tmp_path / "run"
    told.write_text("Be kind.", encoding="utf-8")
    recipe = recipe_of(tiny, larger, f"steps.distil.teacher_prompt={told}")
    step, stage = recipe.distillations[0], next(one for one in stages_of(recipe) if one.name == "distil")

    def wanted(folder: Path = out) -> dict[str, str]:
        return stage.wants(Run.open(folder))["inputs"]

    run_pipeline(recipe, out, display, until="dialogues")
    run = Run.open(out)
    files.write_jsonl(run.lessons(step), [{"id": "a"}])
    before = wanted()
    assert run.teacher_prompt(step).name in before

    shutil.copytree(out, tmp_path / "copy")
    told.write_text("Be brief.", encoding="utf-8")
    assert wanted() == before == wanted(tmp_path / "copy"), "what was kept is what counts"
    assert prompt.instruction(run.trained.distillations[0].teacher_prompt) == "Be kind."

    run_pipeline(recipe, out, display, until="dialogues")
    after = wanted()
    assert {name for name in after if after[name] != before[name]} == {run.teacher_prompt(step).name}
    assert prompt.instruction(run.trained.distillations[0].teacher_prompt) == "Be brief."
    told.unlink()
    assert wanted() == after and prompt.instruction(run.taught(step).teacher_prompt) == "Be brief."

    told.write_text("Be quick.", encoding="utf-8")
    finished = Run.open(out)
    facts = stage.values(recipe)
    finished.manifest.stages["distil"] = StageRecord(status="done", recipe=facts)
    finished.save()
    with pytest.raises(UserError, match=r"the text of steps\.distil\.teacher_prompt changed under .* 'distil'.*--redo"):
        run_pipeline(recipe, out, display, until="dialogues")
    run_pipeline(recipe, out, display, until="dialogues", redo=True)
    assert Run.open(out).manifest.stages["distil"].status == "outdated" and wanted() != after

    run_pipeline(recipe_of(tiny, larger), out, display, until="dialogues")
    assert not run.teacher_prompt(step).exists() and run.teacher_prompt(step).name not in wanted()


def test_a_teacher_whose_run_did_not_train_it_is_refused(refused, recipe_file: Path, whole, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("manifest.json", "recipe.yaml"):
        shutil.copy(whole.run / name, other / name)
    asked = ("run", recipe_file, "--out", tmp_path / "run", "--dry-run", *ANY_SIZE, "--set")
    step = f"steps=[{{name: distil, teacher: {other}}}]"
    assert "'dpo' of" in (line := refused(*asked, step)) and line.endswith("go on with that run")
    shutil.copytree(whole.run / "student" / "sft", other / "student" / "sft")
    assert "set teacher_step: sft" in refused(*asked, step)
    line = refused(*asked, f"steps=[{{name: distil, teacher: {other}, teacher_step: ppo}}]")
    assert "has no step 'ppo'; want sft, dpo" in line


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processes want two cores")
@pytest.mark.long
def test_two_processes_give_the_loss_curve_of_one_with_twice_the_accumulation(
    empathic, recipe_file: Path, whole, tmp_path: Path
) -> None:
    curves = []
    for name, more, processes in (("one", ", gradient_accumulation_steps: 2", 1), ("two", "", 2)):
        asked = ("--out", tmp_path / name, "--until", "distil", "--set", _steps(whole, more=more), *ANY_SIZE)
        done = empathic("run", recipe_file, *asked, "--processes", processes)
        assert done.returncode == 0, done.stderr
        history = files.read_json(Run.open(tmp_path / name).history("distil"))["history"]
        curves.append([row["loss"] for row in history])
    assert len(curves[0]) == 4 and curves[0] == pytest.approx(curves[1], rel=1e-4)
