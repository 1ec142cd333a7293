from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora.layer import Linear

from empathic.student.kernels import lora


def _model(**config: object) -> torch.nn.Module:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Linear(8, 4, bias=False))
    model = get_peft_model(layers, LoraConfig(r=2, lora_alpha=6, target_modules=["0", "1"], **config)).double()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_()
    return model


@pytest.mark.parametrize("config", [{}, {"use_dora": True}, {"lora_dropout": 0.5}])
def test_the_fused_sum_has_pefts_outputs_and_gradients(config: dict[str, object]) -> None:
    stock = _model(**config)
    fused = copy.deepcopy(stock)
    assert lora.patch_lora(fused) is None
    layers = [layer for layer in fused.modules() if type(layer) is Linear]
    assert layers
    assert all("forward" in vars(layer) for layer in layers)
    found = []
    for model in (stock, fused):
        torch.manual_seed(1)
        x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
        out = model(x)
        (out**2).sum().backward()
        grads = [weight.grad for weight in model.parameters() if weight.requires_grad]
        found.append([out, x.grad, *grads])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_under_autocast_the_fused_sum_rounds_no_more_than_pefts() -> None:
    exact = _model().float()
    stock = copy.deepcopy(exact)
    for name, weight in stock.named_parameters():
        if "lora" not in name:
            weight.data = weight.data.bfloat16()
    for rounded, whole in zip(stock.parameters(), exact.parameters(), strict=True):
        whole.data = rounded.data.float()
    fused = copy.deepcopy(stock)
    assert lora.patch_lora(fused) is None
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(1)).bfloat16()
    found = []
    for model, rounds in ((exact, False), (stock, True), (fused, True)):
        with torch.autocast("cpu", torch.bfloat16, enabled=rounds):
            out = model(x if rounds else x.float())
        (out.float() ** 2).sum().backward()
        grads = [weight.grad.flatten() for weight in model.parameters() if weight.requires_grad]
        assert all(grad.dtype == torch.float32 for grad in grads)
        found.append(torch.cat([out.detach().float().flatten(), *grads]))
    apart, usual = ((one - found[0]).norm() for one in (found[2], found[1]))
    assert 0 < apart < 1.1 * usual


def test_an_adapter_that_is_off_or_merged_is_left_to_peft() -> None:
    model, x = _model(), torch.randn(3, 6, dtype=torch.float64)
    lora.patch_lora(model)
    with model.disable_adapter():
        off = model(x)
    on = model(x)
    assert not torch.allclose(on, off)
    model.merge_adapter()
    assert torch.allclose(model(x), on)


def test_a_sum_that_parts_from_pefts_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora, "_forward", lambda self, x: self.base_layer(x))
    model = _model()
    assert "part from PEFT's" in (lora.patch_lora(model) or "")
    assert not any("forward" in vars(layer) for layer in model.modules())
