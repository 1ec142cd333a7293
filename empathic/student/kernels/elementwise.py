"""Norms and gates in fewer passes over memory: autograd writes out every step of theirs, forward and backward.

On a CPU both keep no more for the backward pass than their inputs, and compute the rest again from those. On a GPU
norms are PyTorch's own in one pass, and gates the model's.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch.nn.functional import rms_norm, silu

_TOLERANCE = 1e-4, 2**-6  # relative to the largest number; in bfloat16, where ours rounds once less


def patch_norms(model: torch.nn.Module) -> str | None:
    """Give Llama-like RMS norms and SiLU gates of a model the functions below, each where it answers as before.

    Returns:
        None; or why not one of the model's modules took them.
    """
    replaced = 0
    for module in model.modules():
        children = dict(module.named_children())
        if type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
            replaced += _replace(module, _norm, module.weight)
        elif set(children) == {"gate_proj", "up_proj", "down_proj", "act_fn"}:
            weight = next(module.parameters())
            packed = not weight.is_floating_point()  # in 4 bits, so on a GPU
            replaced += not packed and _replace(module, _gated, weight)
    return None if replaced else "it has no norms or gates as Llama has them"


def _replace(module: Any, forward: Any, weight: torch.Tensor) -> bool:
    """Take a function for a module's own where it gives the same for some numbers, `weight` being [..., in]."""
    sample = torch.linspace(-2, 2, weight.shape[-1], device=weight.device, dtype=weight.dtype)[None]
    with torch.no_grad():
        stock, ours = module(sample), forward(module, sample)
    tolerance = _TOLERANCE[weight.dtype == torch.bfloat16]
    same = bool((stock - ours).abs().max() <= tolerance * stock.abs().max())
    if same:
        module.forward = types.MethodType(forward, module)
    return same


def _plain(x: torch.Tensor) -> bool:
    whole = x.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled(x.device.type)
    return whole and x.device.type == "cpu"


def _norm(self: Any, x: torch.Tensor) -> torch.Tensor:
    usual = x.dtype == self.weight.dtype and not self.weight.requires_grad
    if usual and x.is_cuda:
        with torch.autocast("cuda", enabled=False):  # which would have it all in float32
            return rms_norm(x, self.weight.shape, self.weight, self.variance_epsilon)
    if not usual or not _plain(x):
        return type(self).forward(self, x)
    return _Norm.apply(x, self.weight, self.variance_epsilon)


def _gated(self: Any, x: torch.Tensor) -> torch.Tensor:
    if not _plain(x):
        return type(self).forward(self, x)
    return self.down_proj(_Gate.apply(self.gate_proj(x), self.up_proj(x)))


class _Norm(torch.autograd.Function):
    """`x * r * weight` with `r = rsqrt(mean(x²) + eps)`; dx = r * (g·weight) - x * r³ * mean(x * g·weight)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        r = torch.linalg.vecdot(x, x).div_(x.shape[-1]).add_(eps).rsqrt_()[..., None]
        ctx.save_for_backward(x, weight, r)
        return (x * r).mul_(weight)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        x, weight, r = ctx.saved_tensors
        moved = gradient * weight
        along = torch.linalg.vecdot(moved, x)[..., None] * (r * r) / -x.shape[-1]
        return moved.addcmul_(x, along).mul_(r), None, None


class _Gate(torch.autograd.Function):
    """`silu(gate) * up`."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(gradient * up, gate), silu(gate).mul_(gradient)
