"""Matrix products in float32 by the quicker of the two libraries that PyTorch carries.

On processors of other makers than Intel, MKL falls back to AVX2; oneDNN uses AVX-512. PyTorch calls oneDNN only where
bfloat16 is allowed, and oneDNN rounds to bfloat16 only on processors with matrix units for it. So it is enabled, and
disabled again if a probe shows reduced precision.
"""

from __future__ import annotations

import torch

_SHAPE = 512, 576, 1536  # rows, inner, columns: a small model's layer
_EXACT = 1e-6  # relative error of a float32 product; bfloat16's is a thousand times that


def use_onednn() -> str | None:
    """Have oneDNN multiply float32 matrices on the CPU, unless it rounds them to less.

    Returns:
        None; or why MKL goes on multiplying them.
    """
    settings = torch.backends.mkldnn.matmul
    if not torch.backends.mkldnn.is_available():
        return "this PyTorch has no oneDNN"
    if settings.fp32_precision == "bf16":
        return None
    before, settings.fp32_precision = settings.fp32_precision, "bf16"
    if (error := relative_error()) > _EXACT:
        settings.fp32_precision = before
        return f"oneDNN rounds products here (relative error {error:.1g})"
    return None


def relative_error() -> float:
    """The relative error of a float32 product beside the same in float64."""
    dice = torch.Generator().manual_seed(0)
    rows, inner, columns = _SHAPE
    one, other = torch.randn(rows, inner, generator=dice), torch.randn(columns, inner, generator=dice)
    exact = one.double() @ other.double().t()
    return float((torch.nn.functional.linear(one, other) - exact).norm() / exact.norm())
