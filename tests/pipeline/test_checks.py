"""A file that a recipe names and that isn't there is one line, before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.errors import UserError
from empathic.pipeline.checks import check_files
from empathic.pipeline.plan import plan
from empathic.pipeline.stages import dialogues
from empathic.recipe import load_recipe
from empathic.run import Run
from empathic.run.artefacts import Manifest

LIVE = ("teacher.endpoint=http://127.0.0.1:9/v1", "method.name=llm-improved", "method.rejected=direct")


def test_a_dialogue_source_that_is_not_there_is_one_line(refused, tmp_path: Path) -> None:
    line = refused("run", "direct", "--out", tmp_path / "run", "--set", "dialogues.source=missing.csv")
    wanted = "a .jsonl, .json, .csv, .tsv or .parquet file"
    assert line == f"empathic: missing.csv: no such file; dialogues.source wants {wanted}"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["dialogues.source=nowhere.csv"], "nowhere.csv: no such file; dialogues.source wants"),
        (["dialogues.source=folder.csv"], "folder.csv: a folder, not a file; dialogues.source wants"),
        (["dialogues.split=nowhere.txt"], "nowhere.txt: no such file; dialogues.split wants source, paper"),
        (["dialogues.split=folder.csv"], "folder.csv: a folder, not a file; dialogues.split wants"),
        (["student.prompt=nowhere.txt"], "student.prompt: nowhere.txt"),
        (["student.prompt=folder.csv"], "student.prompt: folder.csv"),
        (["student.template=nowhere.jinja"], "student.template: nowhere.jinja"),
        (["judge=[{questions: nowhere.yaml}]"], "nowhere.yaml: no YAML file of questions"),
        (["ranker={questions: nowhere.yaml}"], "nowhere.yaml: no YAML file of questions"),
        ([*LIVE, "teacher.prompts={direct: nowhere.txt}"], "teacher.prompts.direct: nowhere.txt"),
        ([*LIVE, "teacher.prompts={direct: folder.csv}"], "teacher.prompts.direct: folder.csv"),
        (["epitome_scorer=nowhere"], "epitome_scorer: nowhere: no scorer there"),
    ],
)
def test_what_is_no_file_is_named_with_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    recipe = load_recipe("demo", overrides)
    for look in (check_files, lambda one: plan(one, tmp_path / "run")):
        with pytest.raises(UserError) as found:
            look(recipe)
        assert str(found.value).startswith(says)


def test_vllm_that_is_named_and_not_here_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    recipe = load_recipe("demo", ["student.engine=vllm"])
    for look in (check_files, lambda one: plan(one, tmp_path / "run")):
        with pytest.raises(UserError, match=r"student\.engine: vllm isn't here; pip install vllm, or put"):
            look(recipe)


def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=r"mine\.csv: can't be read \(Permission denied\); dialogues\.source wants"):
        files.check_readable(tmp_path / "mine.csv", "dialogues.source", "a file")
    with pytest.raises(UserError, match=r"mine\.csv: can't be read \(Permission denied\); put it back"):
        files.sha256(tmp_path / "mine.csv")


def test_every_ready_recipe_names_files_that_are_there(welivita: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPATHIC_DATA", str(welivita))
    for name in ("demo", "direct", "human-improved", "llm-improved"):
        check_files(load_recipe(name))
    with pytest.raises(
        UserError, match=r"Llama-3\.1-8B-Instruct can't be loaded .*gated: accept Meta's licence"
    ):  # no other file is missing, and no hub is asked
        check_files(load_recipe("paper"))


def test_the_file_of_test_ids_counts_for_the_stage(tmp_path: Path, display: Any) -> None:
    (tmp_path / "ids.txt").write_text("a\n", encoding="utf-8")
    recipe = load_recipe("demo", [f"dialogues.split={tmp_path / 'ids.txt'}"])
    run = Run(tmp_path / "run", recipe, Manifest(name="demo", empathic="0"), display)
    before = dialogues.STAGE.wants(run)
    (tmp_path / "ids.txt").write_text("b\n", encoding="utf-8")
    assert dialogues.STAGE.wants(run) != before
