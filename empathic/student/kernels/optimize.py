"""All that makes a model's steps cheap without changing them, each part with a switch and a probe of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

from empathic.errors import UserError
from empathic.recipe import Kernels
from empathic.student.kernels import elementwise, head, lora, matmul_precision, tree_attention
from empathic.student.kernels.shared_prefix import causal_model, share_prefixes

_PATCHES: dict[str, Callable[[Any], str | None]] = {  # in the order in which they go on
    "matmul": lambda model: matmul_precision.use_onednn(),
    "lora": lora.patch_lora,
    "norms": elementwise.patch_norms,
    "lm_head": head.patch_lm_head,
    "flex_attention": lambda model: tree_attention.use_flex(causal_model(model)),
    "prefix_sharing": share_prefixes,
}


def optimize_model(model: Any, kernels: Kernels) -> dict[str, str]:
    """Have a model that TRL gave its fused head run fast.

    Args:
        model: a `PreTrainedModel` or `PeftModel`, after `trl.trainer.utils.add_fused_lm_head`.
        kernels: the recipe's switches: true, false, or auto, which falls back where a kernel can't be used.

    Returns:
        Why each kernel that was not switched off is off all the same, by its key.

    Raises:
        UserError: a kernel that is switched on and can't be used with this model.
    """
    off = {}
    for name, patch in _PATCHES.items():
        switch = getattr(kernels, name)
        if name == "matmul" and switch == "auto" and _on_gpu(model):
            continue  # how a CPU multiplies is of no account there
        if name == "flex_attention" and (kernels.prefix_sharing is False or (switch == "auto" and not _on_gpu(model))):
            if switch == "auto" and torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_FSDP") == "true":
                off[name] = "a sharded student (FSDP) comes to its GPUs once kernels are tried"
            continue  # there is no tree to attend to, or a way of its own that is the faster
        if switch is False or not (why := patch(model)):
            continue
        if switch is True:
            raise UserError(f"kernels.{name}: it can't be used here, since {why}; set it to auto or false")
        off[name] = why
    return off


def _on_gpu(model: Any) -> bool:
    return bool(causal_model(model).device.type == "cuda")
