"""A student that won't do ends a run in one line, before a teacher is asked; what it was told stays in the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.conversation.speakers import open_speakers
from empathic.errors import UserError
from empathic.pipeline import checks, matrix
from empathic.pipeline.plan import plan
from empathic.recipe import load_recipe
from empathic.run import Run
from empathic.student import prompt


def _changed(tiny: Path, folder: Path, name: str, change: dict[str, Any]) -> Path:
    """A copy of the tiny model with other words in a file of JSON."""
    shutil.copytree(tiny, folder)
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_a_typing_mistake_ends_before_a_teacher_is_asked(faulty, refused, eight: Path, tmp_path: Path) -> None:
    server = faulty()
    recipe = {
        "dialogues": {"source": str(eight)},
        "method": {"name": "llm-improved", "rejected": ["dull"]},
        "teacher": {"endpoint": server.url, "model": "m"},
        "student": {"model": "nobody/smolm2-135m"},
    }
    (tmp_path / "r.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    for more in ((), ("--dry-run",)):
        line = refused("run", "r.yaml", "--out", tmp_path / "run", *more)
        assert "student.model: nobody/smolm2-135m can't be loaded" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("config.json", {"model_type": "opt", "architectures": ["OPTForCausalLM"]}), "is an OPTForCausalLM"),
        (("config.json", {"model_type": "nosuch"}), "can't be loaded"),
        (("tokenizer_config.json", {"chat_template": "{{ 1 / 0 }}"}), "can't be filled in"),
    ],
)
def test_a_student_that_will_not_do_is_one_line(
    tiny: Path, tmp_path: Path, change: tuple[str, dict[str, Any]], line: str
) -> None:
    student = _changed(tiny, tmp_path / "student", *change)
    if change[0] == "tokenizer_config.json":
        (student / "chat_template.jinja").unlink()
    recipe = load_recipe("demo", [f"student.model={student}"])
    for look in (checks.check_files, lambda one: plan(one, tmp_path / "run")):
        with pytest.raises(UserError, match=line):
            look(recipe)


def test_judges_and_scorers_files_are_looked_at_too(tiny: Path, tmp_path: Path) -> None:
    student = f"student.model={tiny}"
    for settings, line in (
        (["judge=[{endpoint: 'local:nowhere.gguf'}]"], "judge.endpoint: nowhere.gguf: no such file"),
        (["judge=[{endpoint: 'local:qwen2.5-coder-1.5'}]"], "did you mean 'qwen2.5-coder-1.5b'"),
    ):
        with pytest.raises(UserError, match=line):
            checks.check_files(load_recipe("demo", [student, *settings]))


def test_every_cell_of_a_matrix_is_looked_at_before_the_first_runs(tiny: Path, tmp_path: Path, display: Any) -> None:
    recipe = load_recipe("demo", [f"matrix={{student.model: ['{tiny}', nowhere/model]}}"])
    with pytest.raises(UserError, match="nowhere/model can't be loaded"):
        matrix.run_matrix(recipe, tmp_path / "runs", display)
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_says_what_is_done_for_the_template(tiny: Path, tmp_path: Path) -> None:
    student = tmp_path / "student"
    shutil.copytree(tiny, student)
    (student / "chat_template.jinja").write_text(
        "{% for m in messages if m.role != 'system' %}{{ m.content }}{{ eos_token }}{% endfor %}", encoding="utf-8"
    )
    lines = dict(plan(load_recipe("demo", [f"student.model={student}"]), tmp_path / "run"))
    assert lines["student"] == "the instruction goes into the first message"


@pytest.mark.slow
def test_a_message_that_is_too_long_for_the_file_ends_a_run_before_training(
    refused, empathic, tiny: Path, recipe_file: Path, eight: Path, tmp_path: Path
) -> None:
    row = {"id": "long", "utterance": "我的狗死了。" * 800, "replies": {"kind": "So still.", "dull": "Oh."}}
    with eight.open("a", encoding="utf-8") as more:
        more.write(json.dumps(row | {"split": "test"}) + "\n")
    for arguments in (("--dry-run",), ()):
        line = refused("run", recipe_file, "--out", tmp_path / "run", *arguments)
        assert "the test message 'long' has" in line
    assert not (tmp_path / "run" / "teacher.jsonl").exists()


def test_what_a_student_was_told_stays_in_the_run_whatever_becomes_of_the_file(whole, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole.run, run)
    assert (run / "prompt.txt").read_text(encoding="utf-8") == prompt.instruction("brief")
    (run / "prompt.txt").write_text("Be brief and kind.", encoding="utf-8")
    assert Run.open(run).student.prompt == str(run / "prompt.txt")
    with open_speakers(run) as (speaker,):
        assert speaker.told == "Be brief and kind."


@pytest.mark.long
@pytest.mark.slow
def test_an_edited_prompt_is_refused_once_something_was_trained_by_it(
    empathic, refused, recipe_file: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told.txt"
    arguments = ("run", recipe_file, "--out", tmp_path / "run", "--until", "sft", "--set", f"student.prompt={told}")
    told.write_text("Be kind.\n", encoding="utf-8")
    assert empathic(*arguments).returncode == 0
    first = files.sha256(tmp_path / "run" / "student" / "sft")
    told.write_text("Be brief.\n", encoding="utf-8")
    assert "the text of student.prompt changed under the finished stage 'sft'" in refused(*arguments)
    assert (tmp_path / "run" / "prompt.txt").read_text(encoding="utf-8") == "Be kind."
    done = empathic(*arguments, "--redo")
    assert done.returncode == 0, done.stderr
    assert files.sha256(tmp_path / "run" / "student" / "sft") != first
    assert (tmp_path / "run" / "prompt.txt").read_text(encoding="utf-8") == "Be brief."
