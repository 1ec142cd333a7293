from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from empathic.student.kernels import elementwise


def _model(family: str) -> Any:
    sizes = {"hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = AutoConfig.for_model(family, vocab_size=30, num_key_value_heads=1, head_dim=6, **sizes)
    torch.manual_seed(0)
    model = AutoModel.from_config(config).double()
    for name, weight in model.named_parameters():
        weight.requires_grad_("norm" not in name)
        if "norm" in name:
            weight.data.uniform_(0.5, 1.5)
    return model


def _replaced(model: Any) -> int:
    functions = [vars(module).get("forward") for module in model.modules()]
    return sum(getattr(one, "__module__", "") == elementwise.__name__ for one in functions)


@pytest.mark.parametrize(
    ("family", "replaced"),
    [("llama", 7), ("mistral", 7), ("qwen2", 7), ("qwen3", 11), ("gemma3_text", 0)],  # Gemma's norms and gates differ
)
def test_outputs_and_gradients_stay(family: str, replaced: int) -> None:
    stock = _model(family)
    fused = copy.deepcopy(stock)
    elementwise.patch_norms(fused)
    assert _replaced(fused) == replaced
    found = []
    for model in (stock, fused):
        out = model(torch.arange(14).view(2, 7)).last_hidden_state
        (out**3).sum().backward()
        found.append([out, *(weight.grad for weight in model.parameters() if weight.requires_grad)])
    for one, other in zip(*found, strict=True):
        assert (one - other).abs().max() <= 1e-6 * one.abs().max()  # stock norms compute in float32


def test_a_norm_that_is_trained_keeps_its_gradient() -> None:
    model = _model("llama")
    elementwise.patch_norms(model)
    model.norm.weight.requires_grad_(True)
    model(torch.arange(5)[None]).last_hidden_state.sum().backward()
    assert model.norm.weight.grad.abs().max() > 0


def test_in_bfloat16_the_models_own_functions_run() -> None:
    stock = _model("llama").bfloat16()
    fused = copy.deepcopy(stock)
    elementwise.patch_norms(fused)
    ids = torch.arange(9)[None]
    assert torch.equal(stock(ids).last_hidden_state, fused(ids).last_hidden_state)


def test_gates_in_four_bits_are_left_alone() -> None:
    model = _model("llama")
    for layer in model.layers:
        for linear in (layer.mlp.gate_proj, layer.mlp.up_proj):  # as bitsandbytes packs them
            linear.weight = torch.nn.Parameter(torch.zeros(120, 1, dtype=torch.uint8), requires_grad=False)
    assert elementwise.patch_norms(model) is None
    assert _replaced(model) == 5
