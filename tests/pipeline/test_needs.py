"""Plans say what a step needs of a GPU, from configurations that are here; what is too large is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from empathic import models
from empathic.errors import UserError
from empathic.pipeline import matrix
from empathic.pipeline.plan import plan
from empathic.recipe import load_recipe
from empathic.recipe.sections import Student


def test_a_known_model_of_the_hub_goes_by_its_id() -> None:
    assert Student(model="llama-3.1-8b-instruct").model == "meta-llama/Llama-3.1-8B-Instruct"
    assert Student(model="mine").model == "mine"
    assert models.on_hub("mine") is None


def test_the_papers_plan_says_memory_hours_dollars_and_how_to_get_the_students(
    welivita: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPATHIC_DATA", str(welivita))
    cells = matrix.cells(load_recipe("paper"))
    for student, says in (("llama-3.1-8b-instruct", "gated: accept"), ("mistral-7b-instruct-v0.3", "Apache-2.0")):
        lines = dict(plan(cells[f"{student}.direct"], tmp_path / "run"))
        assert says in lines["student"]
        for step in ("sft", "dpo"):
            gigabytes, weights = re.findall(r"on a GPU ([\d.]+) GB \(weights ([\d.]+),", lines[step])[0]
            assert 14 < float(weights) < float(gigabytes) < 40
            assert re.search(r"; [\d.]+ h on an H200$", lines[step])
        hours, dollars = map(
            float, re.findall(r"^([\d.]+) h on .* measured there, \$([\d.]+) at", lines["training"])[0]
        )
        assert 0.1 < hours < 2 and dollars == pytest.approx(3.5 * hours, rel=0.1)
    assert not (tmp_path / "run").exists()


def _gpu(monkeypatch: pytest.MonkeyPatch, room: float) -> None:
    class Properties:
        total_memory = int(room)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)


def test_a_plan_tells_of_a_gpu_that_is_too_small(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(str(recipe_file))
    _gpu(monkeypatch, 24e9)
    assert re.search(r"; [\d.]+ GB \(.*\) of 24; ", dict(plan(recipe, tmp_path / "run"))["sft"])
    _gpu(monkeypatch, 0.5e9)
    assert re.search(r"steps\.sft: needs about \d+ GB and the GPU has 0", dict(plan(recipe, tmp_path / "run"))["sft"])


@pytest.mark.slow
def test_what_the_rows_need_is_looked_at_before_training_too(
    whole: Any, display: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from empathic.pipeline import needs
    from empathic.run import Run

    run = Run.open(whole.run)
    step = run.recipe.step("sft")
    needs.check(run, step)
    _gpu(monkeypatch, 0.5e9)
    with pytest.raises(UserError, match=r"steps\.sft: needs about"):
        needs.check(run, step)
