"""All that makes a model's steps cheap without changing them."""

from __future__ import annotations

from typing import Any

from empathic.student.kernels import elementwise, head, lora, matmul_precision
from empathic.student.kernels.shared_prefix import share_prefixes


def optimize_model(model: Any) -> str | None:
    """Have a model that TRL gave its fused head run fast; why its prefixes can't be shared, where they can't."""
    matmul_precision.use_onednn()
    lora.patch_lora(model)
    elementwise.patch_norms(model)
    head.patch_lm_head(model)
    return share_prefixes(model)
