"""LoRA's sum in one product: what PEFT adds up in four passes over a layer's outputs, a matrix product adds as it goes.

PEFT computes `base(x) + B(A(x)) * scaling`: an output of full size for B, another for the scaling, a third for the sum.
On a CPU, where the layers of a small model are as long as its memory is slow, that costs a twentieth of a step. Under
autocast PEFT makes a copy of x in float32 besides, of which one in bfloat16 is made and kept for each layer.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora.layer import Linear
from torch.nn.functional import linear

_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2**-7}  # relative difference from PEFT's own sum


def patch_lora(model: torch.nn.Module) -> str | None:
    """Have every plain LoRA layer of a model add its product in place; the others stay as they are.

    Returns:
        None; or why it can't be done, and every layer runs as PEFT runs it.
    """
    try:
        apart = {kind: _difference(kind) for kind in _TOLERANCE}
    except (TypeError, AttributeError, RuntimeError) as error:
        return f"this PEFT's layers are built otherwise: {' '.join(str(error).split())[:120]}"
    for kind, most in _TOLERANCE.items():
        if not apart[kind] <= most:
            return f"its sums part from PEFT's by {apart[kind]:.2g}"
    for layer in model.modules():
        if type(layer) is Linear and type(layer.base_layer) is torch.nn.Linear:
            layer.forward = types.MethodType(_forward, layer)
    return None


def _difference(kind: torch.dtype) -> float:
    """The relative difference from PEFT's outputs on a small layer whose adapter isn't zero.

    Args:
        kind: of the layer and its inputs; in bfloat16 the adapter stays in float32, and autocast is on.
    """
    config = LoraConfig(r=2, lora_alpha=6, init_lora_weights=False)
    rounds = torch.autocast("cpu", kind, enabled=kind == torch.bfloat16)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), rounds:
        torch.manual_seed(0)
        layer = Linear(torch.nn.Linear(8, 6).to(kind), "default", config=config, r=2, lora_alpha=6)
        x = torch.randn(3, 8).to(kind)
        theirs, ours = layer(x), _forward(layer, x)
    return float((ours - theirs).norm() / theirs.norm())


def _forward(self: Linear, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """`base(x) + B(A(x)) * scaling` for one adapter; anything else is PEFT's to do. `x` is [..., in]."""
    name = self.active_adapters[0] if len(self.active_adapters) == 1 else ""
    plain = name in self.lora_A and name not in self.lora_variant and not self.merged
    drops = plain and self.training and getattr(self.lora_dropout[name], "p", 0.0) > 0
    odd = args or kwargs or self.disable_adapters
    if not plain or drops or odd or x.dtype != _computed(x, self.lora_A[name].weight):
        return Linear.forward(self, x, *args, **kwargs)
    rows = x.reshape(-1, x.shape[-1])
    out = self.base_layer(rows)
    down, up = (part[name].weight.to(x.dtype) for part in (self.lora_A, self.lora_B))
    out.addmm_(linear(rows, down), up.t(), alpha=self.scaling[name])
    return out.view(*x.shape[:-1], -1)


def _computed(x: torch.Tensor, weight: torch.Tensor) -> torch.dtype:
    """The type that PEFT's products of `x` with an adapter's weight are computed in."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
