"""Where a student runs: what is frozen may be in fewer bits, what is trained is in float32."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from empathic.errors import UserError
from empathic.pipeline.runner import run_pipeline
from empathic.pipeline.stages.order import stages_of
from empathic.recipe import load_recipe
from empathic.student import placement, trainers, training
from empathic.student.likelihood import Likelihood
from empathic.student.placement import Placement

SAID = ("I lost", "We won", "Nobody came to", "My mother says that")


def _rows(kind: str) -> list[dict[str, Any]]:
    rows = []
    for i, said in enumerate(SAID):
        row: dict[str, Any] = {"id": str(i), "origin": "kind", "prompt": [{"role": "user", "content": f"{said} it."}]}
        good = [{"role": "assistant", "content": f"{said} what a day that was for you."}]
        bad = [{"role": "assistant", "content": "Oh well, such is life."}]
        rows.append(row | ({"completion": good} if kind == "sft" else {"chosen": good, "rejected": bad}))
    return rows


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU, as far as torch is asked whether there is one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)


def test_without_a_gpu_all_is_in_float32_unless_one_wants_otherwise() -> None:
    assert placement.place() == Placement("cpu", "float32")
    assert placement.place("bfloat16") == Placement("cpu", "bfloat16")
    assert placement.of(load_recipe("demo").student) == Placement()


def test_on_a_gpu_it_is_in_bfloat16_where_that_is_no_emulation(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert placement.place() == Placement("cuda:0", "bfloat16")
    assert placement.place("float32") == Placement("cuda:0", "float32")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert placement.place().device == "cuda:1"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert placement.place().dtype == "float32"


def test_four_bits_want_a_gpu_before_anything_is_done(recipe_file: Path, display: Any, tmp_path: Path) -> None:
    recipe = load_recipe(str(recipe_file), ["student.load_in_4bit=true"])
    with pytest.raises(UserError, match=r"student\.load_in_4bit: needs a GPU, and there is none here"):
        run_pipeline(recipe, tmp_path / "run", display)
    assert not (tmp_path / "run" / "dialogues.jsonl").exists()
    run_pipeline(recipe, tmp_path / "run", display, until="corpus")  # what is done before a GPU is rented
    assert (tmp_path / "run" / "corpus").is_dir()


def test_four_bits_want_their_package_and_no_adapter(gpu: None, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empathic.student.load import load_student

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs bitsandbytes, which isn't here; pip install 'empathic\[qlora\]'"):
        placement.place(load_in_4bit=True)
    with pytest.raises(UserError, match="is an adapter, which 4 bits can't take in; merge it first"):
        load_student(str(adapter), placed=Placement("cpu", "bfloat16", four_bit=True))


def test_four_bits_are_nf4_with_quantised_constants_on_the_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Placement("cuda:1", "bfloat16", four_bit=True).loading()
    bits = told["quantization_config"]
    assert told["device_map"] == {"": "cuda:1"}
    assert (bits.load_in_4bit, bits.bnb_4bit_quant_type, bits.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert bits.bnb_4bit_compute_dtype == torch.bfloat16


@pytest.mark.slow
def test_in_bfloat16_adapters_are_trained_and_kept_in_float32_and_prefixes_shared(tiny: Path, tmp_path: Path) -> None:
    first: dict[str, float] = {}
    for dtype in ("float32", "bfloat16"):
        settings = [f"student.model={tiny}", f"student.dtype={dtype}", "steps.sft.batch_size=4", "steps.sft.epochs=1"]
        recipe = load_recipe("demo", [*settings, "steps.dpo.batch_size=2", "steps.dpo.epochs=1"])
        said: list[str] = []
        out = tmp_path / dtype / "sft"
        trainer = trainers.make_trainer("sft", _rows("sft"), recipe, None, out)
        assert trainer.model.get_base_model().model.norm.weight.dtype == getattr(torch, dtype)
        assert {one.dtype for one in trainer.model.parameters() if one.requires_grad} == {torch.float32}
        assert "prefix_sharing" not in trainer.kernels_off
        result = training.train(trainer, out, lambda done, total: None, said.append)
        first[dtype] = result["first_loss"]
        dpo = training.train_step(
            "dpo", _rows("dpo"), recipe, out, tmp_path / dtype / "dpo", lambda done, total: None, said.append
        )
        assert dpo["first_loss"] == pytest.approx(0.693, abs=0.02 if dtype == "bfloat16" else 1e-3)
        assert not [line for line in said if "prefix_sharing" in line]
        for folder in (out, tmp_path / dtype / "dpo"):
            assert {one.dtype for one in load_file(folder / "adapter_model.safetensors").values()} == {torch.float32}
    assert first["bfloat16"] == pytest.approx(first["float32"], abs=0.05)
    assert first["bfloat16"] != first["float32"]


def test_what_trl_rounds_of_an_adapter_comes_back(adapter: Path, tiny: Path) -> None:
    from peft import PeftModel

    from empathic.student.load import load_student

    model: Any = PeftModel.from_pretrained(load_student(str(tiny))[0], str(adapter), is_trainable=True)
    before = {name: weight.clone() for name, weight in model.named_parameters() if weight.requires_grad}
    for weight in model.parameters():
        weight.data = weight.data.to(torch.bfloat16) if weight.requires_grad else weight.data
    placement.keep_float32(model, adapter)
    after = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert before.keys() == after.keys()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())


def test_a_scorer_in_bfloat16_says_nearly_the_same_with_an_adapter_too(tiny: Path, adapter: Path) -> None:
    for path in (None, adapter):
        exact, rounded = (
            Likelihood.of(str(tiny), None, "Be kind.", Placement(dtype=dtype), path).of_replies(["I lost."], ["Oh no."])
            for dtype in ("float32", "bfloat16")
        )
        assert rounded.item() == pytest.approx(exact.item(), rel=0.02)
        assert rounded.item() != exact.item()


def test_runs_of_before_stay_finished_and_another_type_is_another_training(recipe_file: Path) -> None:
    plain = load_recipe(str(recipe_file))
    typed = load_recipe(str(recipe_file), ["student.dtype=bfloat16"])
    sft = {stage.name: stage for stage in stages_of(plain)}["sft"]
    assert not [key for key in sft.values(plain) if key in ("student.dtype", "student.load_in_4bit")]
    assert sft.values(typed) == {**sft.values(plain), "student.dtype": "bfloat16"}
