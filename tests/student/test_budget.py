"""What a step is reckoned to need: held against what it takes, and against figures that were measured on an H200."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from live_memory import LiveMemory, adapted

from empathic import models
from empathic.errors import UserError
from empathic.recipe import Kernels
from empathic.recipe.steps import Dpo, Sft
from empathic.student import budget
from empathic.student.budget import Lengths
from empathic.student.placement import Placement
from empathic.student.shape import Shape, shape_of

GPU = Placement("cuda:0", "bfloat16")
ROWS = Lengths(told=100, asked=40, said=60, longest=270)
GIGA = 1e9


def _shape(name: str) -> Shape:
    from transformers import AutoConfig

    hub = models.HUB[name]
    found = shape_of(AutoConfig.for_model(hub.family, **hub.shape))
    assert found
    return found


def _sft(**changes: Any) -> Sft:
    return Sft(**{"name": "sft", "kind": "sft", "batch_size": 64, **changes})


@pytest.mark.parametrize(
    ("name", "weights", "lora"),
    [
        ("llama-3.1-8b-instruct", 8_030_261_248, 2_621_440),  # rank 16: 41.9 million, as PEFT counts them
        ("llama-3.2-1b-instruct", 1_235_814_400, 704_512),
        ("mistral-7b-instruct-v0.3", 7_248_023_552, 2_621_440),
    ],
)
def test_a_shape_has_the_weights_of_the_model_and_of_its_adapter(name: str, weights: int, lora: int) -> None:
    assert (_shape(name).weights, _shape(name).lora) == (weights, lora)


def test_an_8b_without_sharing_needs_what_was_measured() -> None:
    found = budget.needed(_sft(), _shape("llama-3.1-8b-instruct"), GPU, 8, ROWS, shared=False)
    assert found.total == pytest.approx(132 * GIGA, rel=0.15)


@pytest.mark.parametrize(
    ("step", "batch", "shared", "gigabytes"),  # an 8B's rows of 229, 45 and 26 tokens, the longest of 314 (H200)
    [
        (Sft, 64, True, 44.63),
        (Sft, 32, True, 31.49),
        (Sft, 32, False, 94.19),
        (Sft, 16, False, 54.54),
        (Dpo, 32, True, 37.07),
        (Dpo, 16, False, 94.54),
    ],
)
def test_steps_of_an_8b_need_what_pytorch_held(step: Any, batch: int, shared: bool, gigabytes: float) -> None:
    made = step(name="one", kind=step.__name__.lower(), batch_size=batch)
    rows = Lengths(told=229, asked=45, said=26, longest=314)
    found = budget.needed(made, _shape("llama-3.1-8b-instruct"), GPU, 8, rows, shared)
    assert found.total - budget._CONTEXT == pytest.approx(gigabytes * GIGA, rel=0.08)


@pytest.mark.parametrize(
    ("name", "placed", "step", "least", "most"),
    [
        (
            "llama-3.1-8b-instruct",
            Placement("cuda:0", "bfloat16", four_bit=True),
            _sft(batch_size=1, gradient_checkpointing=True),
            6,
            24,
        ),
        ("llama-3.1-8b-instruct", GPU, _sft(batch_size=1, gradient_checkpointing=True), 17, 24),
        ("llama-3.1-8b-instruct", Placement("cuda:0"), _sft(batch_size=1), 33, 40),
        ("llama-3.2-1b-instruct", GPU, _sft(batch_size=1), 3, 6),
        ("llama-3.2-1b-instruct", GPU, _sft(), 20, 45),
    ],
)
def test_what_cards_hold(name: str, placed: Placement, step: Sft, least: float, most: float) -> None:
    found = budget.needed(step, _shape(name), placed, 16, ROWS, shared=False)
    assert least * GIGA < found.total < most * GIGA, str(found)


def test_sharing_and_checkpointing_lessen_it_and_a_pair_costs_more_than_an_example() -> None:
    shape = _shape("llama-3.1-8b-instruct")
    alone = budget.needed(_sft(), shape, GPU, 8, ROWS, shared=False).total
    assert budget.needed(_sft(), shape, GPU, 8, ROWS, shared=True).total < 0.6 * alone
    again = _sft(gradient_checkpointing=True)
    assert budget.needed(again, shape, GPU, 8, ROWS, shared=False).total < 0.3 * alone
    pairs = Dpo(name="dpo", kind="dpo", batch_size=64)
    for shared in (True, False):
        one = budget.needed(_sft(), shape, GPU, 8, ROWS, shared).total
        assert one < budget.needed(pairs, shape, GPU, 8, ROWS, shared).total < 2.1 * one


def test_too_small_a_gpu_is_one_line_that_says_what_would_fit() -> None:
    shape = _shape("llama-3.1-8b-instruct")
    assert budget.check(_sft(), shape, GPU, 8, ROWS, False, 150 * GIGA)
    with pytest.raises(UserError) as refused:
        budget.check(_sft(), shape, GPU, 8, ROWS, False, 80 * GIGA)
    line = str(refused.value)
    assert line.startswith("steps.sft: needs about 1") and "the GPU has 80; would fit: " in line
    assert "gradient_checkpointing: true (" in line and "gradient_accumulation_steps: 64" in line
    assert "load_in_4bit: true (" not in line  # 4 bits alone leave the activations
    with pytest.raises(UserError, match=r"student\.load_in_4bit: true with .* passes of 1 \(\d+ GB\)"):
        budget.check(_sft(), shape, GPU, 8, ROWS, False, 12 * GIGA)
    with pytest.raises(UserError, match="nothing makes it fit here; choose a smaller student"):
        budget.check(_sft(batch_size=1), shape, GPU, 8, ROWS, False, 2 * GIGA)


def test_several_gpus_with_fsdp_are_named_where_they_would_do() -> None:
    shape = _shape("llama-3.1-8b-instruct")
    alone = budget.needed(_sft(), shape, GPU, 8, ROWS, False)
    parts = budget.needed(_sft(), shape, GPU, 8, ROWS, False, budget.Spread(4, sharded=True))
    assert alone.weights / 4 < parts.weights < alone.weights / 2
    assert parts.adapters == pytest.approx(alone.adapters / 4)
    assert parts.activations == pytest.approx(alone.activations / 4)
    whole = budget.needed(_sft(), shape, GPU, 8, ROWS, False, budget.Spread(4))
    assert (whole.weights, whole.activations) == (alone.weights, parts.activations)
    with pytest.raises(UserError, match=r"or several GPUs with FSDP \(--processes 4, \d+ GB each\)"):
        budget.check(_sft(), shape, GPU, 8, ROWS, False, 48 * GIGA)
    with pytest.raises(UserError, match=r"smallest GPU has 24; .*--processes 8") as refused:
        budget.check(_sft(), shape, GPU, 8, ROWS, False, 24 * GIGA, budget.Spread(2, sharded=True))
    assert "4bit" not in str(refused.value)
    with pytest.raises(UserError) as refused:
        budget.check(_sft(batch_size=1), shape, GPU, 8, ROWS, False, 12 * GIGA)
    assert "FSDP" not in str(refused.value)  # one example can't be divided


def _trained(dtype: str, checkpointing: bool) -> tuple[Any, Any, dict[str, torch.Tensor]]:
    """A small Llama with an adapter, and a batch of eight rows of 128 tokens that begin with the same 64."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=2000,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    torch.manual_seed(0)
    model = adapted(LlamaForCausalLM(config).to(getattr(torch, dtype)), checkpointing)
    ids = torch.randint(1, 2000, (8, 128))
    ids[:, :64] = ids[0, :64]
    labels = ids.clone()
    labels[:, :80] = -100
    return config, model.train(), {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_layers_keep_is_what_was_reckoned(dtype: Any) -> None:
    config, model, batch = _trained(dtype, False)
    frozen = {weight.untyped_storage()._cdata for weight in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"),
    ):
        loss = model(**batch, fused_lm_head=True).loss
    shape = shape_of(config)
    assert loss.item() > 0 and shape
    measured = sum(size for key, size in kept.items() if key not in frozen) / (batch["input_ids"].numel() * 4)
    assert measured == pytest.approx(budget.per_layer(shape, Placement("cpu", dtype)), rel=0.15)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_peak_of_a_step_is_what_was_reckoned(checkpointing: bool) -> None:
    from empathic.student.kernels.optimize import optimize_model

    config, model, batch = _trained("float32", checkpointing)
    assert optimize_model(model, Kernels()) == {}
    with LiveMemory() as live:
        model(**batch, fused_lm_head=True).loss.backward()
    shape = shape_of(config)
    assert shape
    step = _sft(batch_size=8, gradient_checkpointing=checkpointing)
    rows = Lengths(told=64, asked=16, said=48, longest=128)
    found = budget.needed(step, shape, Placement(), 8, rows, shared=True)
    grads = 4 * 8 * shape.lora
    forecast = found.activations + found.logits + grads
    assert live.peak / 1.1 < forecast < 1.5 * live.peak  # rather too much than too little
