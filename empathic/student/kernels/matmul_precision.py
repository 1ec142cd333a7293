"""Matrix products in float32 by the quicker of the two libraries that PyTorch carries.

MKL gives processors of other makers than its own its AVX2 code; oneDNN has AVX-512 for all of them. PyTorch asks oneDNN
only where bfloat16 would do, and oneDNN multiplies in bfloat16 only where the processor has matrix units for it. So it
is asked, and kept where a product comes out as exact as before.
"""

from __future__ import annotations

import torch

_SHAPE = 512, 576, 1536  # rows, inner, columns: a small model's layer
_EXACT = 1e-6  # relative error of a float32 product; bfloat16's is a thousand times that


def use_onednn() -> None:
    """Have oneDNN multiply float32 matrices on the CPU, unless it rounds them to less."""
    settings = torch.backends.mkldnn.matmul
    if not torch.backends.mkldnn.is_available() or settings.fp32_precision == "bf16":
        return
    before, settings.fp32_precision = settings.fp32_precision, "bf16"
    if relative_error() > _EXACT:
        settings.fp32_precision = before


def relative_error() -> float:
    """The relative error of a float32 product beside the same in float64."""
    dice = torch.Generator().manual_seed(0)
    rows, inner, columns = _SHAPE
    one, other = torch.randn(rows, inner, generator=dice), torch.randn(columns, inner, generator=dice)
    exact = one.double() @ other.double().t()
    return float((torch.nn.functional.linear(one, other) - exact).norm() / exact.norm())
