"""Replies of a student's own by vLLM: of its merged weights, drawn by seed, known again, never mixed with others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.endpoints.chat_api import Request
from empathic.errors import UserError
from empathic.pipeline.plan import plan
from empathic.pipeline.stages import own_replies
from empathic.recipe import load_recipe
from empathic.run import Run
from empathic.run.artefacts import Manifest
from empathic.student import prompt

NAMED = "student.engine=vllm"


class _Told:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, done: int, total: int) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def run(recipe_file: Path, tiny: Path, tmp_path: Path):
    """A run whose first step learns from replies of the untuned student's."""

    def made(*changes: str) -> tuple[Run, Any]:
        steps = f"steps=[{{name: distil, teacher: '{tiny}', own: 1.0}}]"
        recipe = load_recipe(str(recipe_file), [steps, "sample={}", *changes])
        display: Any = _Told()
        return Run(tmp_path / "own", recipe, Manifest(name="r", empathic="0"), display), recipe.step("distil")

    return made


def _requests(run: Run, seeds: int = 3) -> list[Request]:
    told = prompt.messages(prompt.instruction(run.student.prompt), "My kite is gone.")
    return [Request(told, run.student.max_tokens, 0.8, seed=seed) for seed in range(seeds)]


def test_they_come_of_vllm_and_are_known_again_after_a_kill(fake_vllm, run) -> None:
    folder = fake_vllm()
    one, step = run(NAMED)
    answers = own_replies.answered(one, step, _requests(one))
    assert [answer.finish for answer in answers] == ["stop"] * 3
    assert len({answer.text for answer in answers}) == 3, "a seed each"
    assert one.display.notes[0] == "the student's own replies: vLLM, float32"
    asked = list(files.read_jsonl(folder / "vllm.asked"))
    assert {row["serve"]["model"] for row in asked} == {str(own_replies.folder(one, step) / "vllm")}
    assert own_replies.answered(one, step, _requests(one)) == answers
    assert len(list(files.read_jsonl(folder / "vllm.asked"))) == 3
    shutil.rmtree(own_replies.folder(one, step))
    assert own_replies.answered(one, step, _requests(one)) == answers, "merged anew, the weights are the same"
    assert len(list(files.read_jsonl(folder / "vllm.asked"))) == 3


def test_an_attempt_that_goes_on_with_another_engine_mixes_none(fake_vllm, run) -> None:
    fake_vllm()
    one, step = run(NAMED)
    own_replies.answered(one, step, _requests(one, 1))
    (own_replies.folder(one, step) / "merged").mkdir()  # what a kill left while llama.cpp's file was made
    other, step = run("student.engine=llama.cpp")
    answers = own_replies.answered(other, step, _requests(other))
    assert other.display.notes == ["the student's own replies: llama.cpp"]
    assert not [answer for answer in answers if "of my words" in answer.text]


def test_a_server_that_does_not_come_up_names_the_key(fake_vllm, run) -> None:
    fake_vllm("dies")
    one, step = run(NAMED)
    with pytest.raises(UserError, match=r"too little .*; student\.engine: llama\.cpp does without it"):
        own_replies.answered(one, step, _requests(one))


def test_the_plan_says_who_replies(fake_vllm, run, tmp_path: Path) -> None:
    fake_vllm()
    for change, own, judged in (
        (NAMED, "replies of the student's own by vLLM, ", "replies by vLLM, from merged weights"),
        ("student.engine=auto", "replies of the student's own, ", "replies from the files"),
    ):
        lines = dict(plan(run(change)[0].recipe, tmp_path / "new"))
        assert own in lines["distil-replies"] and judged in lines["replies"]


def test_replies_to_judge_by_vllm_are_told_apart(empathic, refused, fake_vllm, whole, tmp_path: Path) -> None:
    folder, out = fake_vllm(), tmp_path / "run"
    shutil.copytree(whole.run, out)
    told = ("run", whole.recipe, "--out", out, "--set", NAMED)
    assert "student.engine: None -> 'vllm'" in refused(*told)
    done = empathic(*told, "--redo", "--until", "replies")
    assert done.returncode == 0, done.stderr
    found = Run.open(out)
    stage = found.manifest.stages["replies"]
    assert stage.facts["engine"] == "vLLM, float32" and set(stage.facts["stopped"].values()) == {1.0}
    assert "replies by vLLM, float32, from merged weights" in " ".join(done.stdout.split())
    for system in found.systems:
        assert all("of my words" in row["reply"] for row in files.read_jsonl(found.replies(system)))
    served = {Path(row["serve"]["model"]).name for row in files.read_jsonl(folder / "vllm.asked")}
    assert served == set(found.systems)
    assert not found.path("replies", ".vllm").exists()


def test_the_report_says_whose_replies_it_is_about(empathic, whole, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.run, out)
    assert "Replies are those of the merged weights" not in (out / "report.html").read_text(encoding="utf-8")
    manifest = files.read_json(out / "manifest.json")
    manifest["stages"]["replies"]["facts"]["engine"] = "vLLM, bfloat16"
    files.write_json(out / "manifest.json", manifest)
    assert empathic("report", out).returncode == 0
    assert "merged weights (vLLM, bfloat16)" in (out / "report.html").read_text(encoding="utf-8")
