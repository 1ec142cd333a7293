"""What only a GPU can tell: its own rounding, its own memory, 4 bits."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from live_memory import adapted
from rounding import FAMILIES, rounding_model
from safetensors.torch import load_file

from empathic.recipe import Kernels, load_recipe
from empathic.recipe.steps import Sft
from empathic.student import budget, placement, training
from empathic.student.kernels import shared_prefix, tree_attention
from empathic.student.kernels.optimize import optimize_model
from empathic.student.shape import shape_of

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_prefixes_are_shared_in_either_type(family: str, dtype: torch.dtype) -> None:
    assert shared_prefix.share_prefixes(rounding_model(family, dtype).cuda()) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_positions_that_count_nodes_are_refused(
    family: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = shared_prefix.PrefixTree.of

    def in_order(cls: Any, **batch: torch.Tensor) -> Any:
        tree = folded(**batch)
        tree.positions = torch.arange(tree.ids.shape[1], device=tree.ids.device)[None]
        return tree

    monkeypatch.setattr(shared_prefix.PrefixTree, "of", classmethod(in_order))
    why = shared_prefix.share_prefixes(rounding_model(family, dtype).cuda())
    assert why and "answers otherwise when tokens are shared" in why


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_trees_are_attended_to_by_compiled_blocks(family: str, dtype: torch.dtype, checkpointing: bool) -> None:
    dice = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 500, (6, 420), generator=dice).cuda()
    ids[:, :300] = ids[0, :300]
    labels = ids.clone()
    labels[:, :300] = -100
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    def step(model: Any) -> tuple[float, torch.Tensor]:
        loss = model(**batch, fused_lm_head=True, use_cache=False).loss
        loss.backward()
        return loss.item(), torch.cat([weight.grad.float().flatten() for weight in model.parameters()])

    exact = step(rounding_model(family, dtype).float().cuda())[1]
    stock, stock_grads = step(rounding_model(family, dtype).cuda())
    model = rounding_model(family, dtype).cuda()
    assert tree_attention.use_flex(model) is None
    assert shared_prefix.share_prefixes(model) is None
    assert model.config._attn_implementation == tree_attention.FLEX
    if checkpointing:
        model.train()
        model.gradient_checkpointing_enable()
    loss, grads = step(model)
    assert loss == pytest.approx(stock, abs=1e-4 if dtype == torch.float32 else 0.02)
    apart, usual = ((one - exact).norm() / exact.norm() for one in (grads, stock_grads))
    assert apart < max(1e-3, 1.5 * usual)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_the_peak_of_a_step_is_what_was_reckoned(shared: bool, checkpointing: bool) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=32000,
        hidden_size=1024,
        intermediate_size=3584,
        num_hidden_layers=8,
        num_attention_heads=16,
        num_key_value_heads=4,
    )
    placed = placement.place()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    model = adapted(placed.put(LlamaForCausalLM(config)), checkpointing)
    if shared:
        assert not {"prefix_sharing", "flex_attention"} & optimize_model(model, Kernels()).keys()
    model.train()
    optimizer = torch.optim.AdamW(weight for weight in model.parameters() if weight.requires_grad)
    ids = torch.randint(1, 32000, (16, 256), device=placed.device)
    ids[:, :128] = ids[0, :128]
    labels = ids.clone()
    labels[:, :160] = -100
    torch.cuda.reset_peak_memory_stats()
    for _ in range(2):
        with torch.autocast("cuda", torch.bfloat16, enabled=placed.rounds):
            loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels, fused_lm_head=True).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    shape = shape_of(config)
    assert shape
    step = Sft(name="sft", kind="sft", batch_size=16, gradient_checkpointing=checkpointing)
    rows = budget.Lengths(told=128, asked=32, said=96, longest=256)
    found = budget.needed(step, shape, placed, 8, rows, shared)
    measured = torch.cuda.max_memory_allocated() - before
    forecast = found.weights + found.adapters + found.activations + found.logits
    print(f"shared {shared}, checkpointing {checkpointing}: measured {measured / 1e6:.0f} MB, {forecast / 1e6:.0f}")
    assert measured / 1.1 < forecast < 1.5 * measured


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes isn't here")
def test_four_bits_train_an_adapter_in_float32(tiny: Path, tmp_path: Path) -> None:
    rows = [
        {
            "id": str(i),
            "origin": "kind",
            "prompt": [{"role": "user", "content": f"I lost day {i}."}],
            "completion": [{"role": "assistant", "content": f"What a day number {i} that was."}],
        }
        for i in range(4)
    ]
    pairs = [
        {**row, "chosen": row["completion"], "rejected": [{"role": "assistant", "content": "Oh well."}]} for row in rows
    ]
    settings = [
        f"student.model={tiny}",
        "student.load_in_4bit=true",
        "steps.sft.batch_size=4",
        "steps.dpo.batch_size=2",
    ]
    recipe = load_recipe("demo", settings)
    said: list[str] = []
    training.train_step("sft", rows, recipe, None, tmp_path / "sft", lambda done, total: None, said.append)
    result = training.train_step(
        "dpo", pairs, recipe, tmp_path / "sft", tmp_path / "dpo", lambda done, total: None, said.append
    )
    assert result["first_loss"] == pytest.approx(0.693, abs=0.02)
    assert not [line for line in said if "prefix_sharing" in line]
    for name in ("sft", "dpo"):
        assert {one.dtype for one in load_file(tmp_path / name / "adapter_model.safetensors").values()} == {
            torch.float32
        }
