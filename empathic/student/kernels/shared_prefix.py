"""Shared-prefix training: tokens that examples of a batch have in common run once, forward and backward.

A batch is folded into a tree: the instruction that opens every example is its prefix, and the prompt that a chosen and
a rejected reply share is the foot of a branch. The nodes run as one row without padding, so that everything but
attention sees each of them once. In attention a node sees its own ancestors (`tree_attention`); gradients flow back
into the prefix. Hidden states go to the head only where a loss is taken. Losses, rewards and gradients are those of the
padded batch, up to rounding, as `test_shared_prefix.py` checks.

The layer goes beneath TRL's fused head (`model(..., labels=..., fused_lm_head=True)`), so that every loss of TRL's
trainers works on top of it unchanged.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import torch
from trl.trainer.utils import FusedCausalLMOutput

from empathic.student.kernels.prefix_tree import PrefixTree
from empathic.student.kernels.probe import Probe
from empathic.student.kernels.tree_attention import NAME

_BATCH = {"input_ids", "attention_mask", "labels"}
_OWN_WINDOW = ("qwen2_moe", "phimoe")  # layers that mask by a window which they don't hand to attention
_BESIDE = {"fused_lm_head", "use_cache", "num_items_in_batch"}


def causal_model(model: Any) -> Any:
    """The causal model under an adapter, or the model itself where there is none."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def share_prefixes(model: Any) -> str | None:
    """Have a model that TRL gave its fused head run shared tokens once, wherever labels are given with right padding.

    Args:
        model: a `PreTrainedModel` or `PeftModel`, after `trl.trainer.utils.add_fused_lm_head`.

    Returns:
        None; or why it can't be done with this model, which then runs as TRL runs it.
    """
    base = causal_model(model)
    config = base.config.get_text_config()
    if getattr(config, "attn_logit_softcapping", None):
        return f"{config.model_type} caps its attention scores"
    if getattr(config, "output_router_logits", False):
        return f"{config.model_type} balances its experts over every token of a batch"
    if config.model_type in _OWN_WINDOW and getattr(config, "sliding_window", None):
        return f"{config.model_type} keeps its window to its layers"
    if not base._can_set_attn_implementation():
        return f"{config.model_type} doesn't take another attention function"
    stock, before = base.forward, config._attn_implementation

    @functools.wraps(type(base).forward)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs = {key: value for key, value in kwargs.items() if value is not None}  # PEFT passes many on as None
        if args or not kwargs.get("fused_lm_head") or not _BATCH <= set(kwargs) <= _BATCH | _BESIDE:
            return stock(*args, **kwargs)
        tree = PrefixTree.of(**{name: kwargs.pop(name) for name in _BATCH})
        out = stock(**tree.inputs(), shift_labels=tree.labels, **kwargs)
        return FusedCausalLMOutput(**{name: _unfold(value, tree.mask) for name, value in out.items()})

    def at_the_labels(backbone: Any, args: Any, kwargs: dict[str, Any], out: Any) -> Any:
        if (tree := kwargs.get("tree")) is not None:
            out.last_hidden_state = out.last_hidden_state[:, tree.nodes]
        return out

    probe = Probe(base)
    base.forward = types.MethodType(forward, base)
    hook = base.base_model.register_forward_hook(at_the_labels, with_kwargs=True)
    for name in dict.fromkeys((getattr(base, "tree_attention", NAME), NAME)):  # what fails by blocks may do without
        base.set_attn_implementation(name)
        try:
            apart = probe.difference(base)
        except (TypeError, RuntimeError, ValueError) as error:
            apart = f"it can't run a tree: {' '.join(str(error).split())[:120]}"
        if not apart:
            return None
    hook.remove()
    base.forward = stock
    base.set_attn_implementation(before)
    return f"{config.model_type} answers otherwise when tokens are shared ({apart})"


def states_at_labels(model: Any, batch: dict[str, torch.Tensor], shared: bool) -> torch.Tensor:
    """The last hidden states that predict a batch's labels, row by row, [K, H], for losses that TRL's head hasn't.

    Args:
        model: a `PreTrainedModel` or `PeftModel`.
        batch: `input_ids`, `attention_mask` and `labels`, as `PrefixTree.of` takes them.
        shared: whether `share_prefixes` took the model.
    """
    backbone = causal_model(model).base_model
    if not shared:
        rows = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return backbone(**rows, use_cache=False).last_hidden_state[:, :-1][batch["labels"][:, 1:] != -100]
    return backbone(**PrefixTree.of(**batch).inputs(), use_cache=False).last_hidden_state[0]


def _unfold(value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A per-label output [1, K] as TRL's trainers want it, [B, L - 1]; the loss, a scalar, as it is."""
    if value.ndim == 0:
        return value
    return value.new_zeros(mask.shape).masked_scatter(mask, value)
