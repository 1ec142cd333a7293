"""Attention over the nodes of a prefix tree, in three ways that give the same up to rounding.

On a CPU in float32 each branch is computed beside the prefix. On a GPU FlexAttention passes over blocks of nodes that
don't see each other (Dong et al. 2024, arXiv 2412.05496), where it compiles; else all nodes run under one dense mask.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.functional import pad
from torch.nn.functional import scaled_dot_product_attention as attend
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from empathic.student.kernels.prefix_tree import PrefixTree

NAME = "shared_prefix"
FLEX = "shared_prefix_flex"
_STEP = 128  # nodes of one of FlexAttention's blocks
_COMPILED = 4096  # for sizes, windows, with gradients and without, and each model's shape; past it nothing is compiled
_TRIED = 300, 150  # tokens of the prefix and of each of four branches of the tree by which a GPU is tried
_APART = 0.02  # of the largest value, by which outputs and gradients of the two ways may part in bfloat16


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    tree: PrefixTree | None = None,
    flex: bool = False,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """The attention of a tree's nodes; without a tree, PyTorch's as transformers calls it.

    `query` is [1, heads, N, D], `key` and `value` [1, key heads, N, D]; returns [1, N, heads, D].
    """
    if tree is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, sliding_window=sliding_window, **kwargs
        )
    dropout = kwargs.get("dropout", 0.0)
    if flex and not dropout:
        return by_blocks(query, key, value, sliding_window, tree, scaling).transpose(1, 2).contiguous(), None
    groups = query.shape[1] // key.shape[1]
    if query.is_cuda and groups > 1:  # under a mask PyTorch has its slowest kernel alone for grouped heads
        key, value = (part.repeat_interleave(groups, 1) for part in (key, value))
    grouped = query.shape[1] != key.shape[1]
    call = functools.partial(attend, dropout_p=dropout, scale=scaling, enable_gqa=grouped)
    # In bfloat16 SmolLM2-135M parts by nats from stock branch by branch, and not under one mask (docs/log.md).
    apart = query.device.type == "cpu" and query.dtype in (torch.float32, torch.float64)
    attended = _by_branch if apart else _in_one_call
    return attended(call, query, key, value, sliding_window, tree).transpose(1, 2).contiguous(), None


def _in_one_call(
    call: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None, tree: PrefixTree
) -> torch.Tensor:
    """All nodes under one mask, which costs a GPU less than many small calls; returns [1, heads, N, D]."""
    found: torch.Tensor = call(query, key, value, attn_mask=tree.attention_bias(None, window, query.dtype))
    return found


def _by_branch(
    call: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None, tree: PrefixTree
) -> torch.Tensor:
    """The prefix by itself, then each branch beside it, which spares a CPU what branches don't see of each other."""
    prefix_len, seen = tree.prefix_len, []
    if prefix_len:
        slides = window is not None and window < prefix_len
        bias = tree.attention_bias(None, window, query.dtype)[:prefix_len, :prefix_len] if slides else None
        seen.append(
            call(
                query[:, :, :prefix_len],
                key[:, :, :prefix_len],
                value[:, :, :prefix_len],
                attn_mask=bias,
                is_causal=not slides,
            )
        )
    for branch, (start, end) in enumerate(tree.branches):
        keys = torch.cat([key[:, :, :prefix_len], key[:, :, start:end]], 2)
        values = torch.cat([value[:, :, :prefix_len], value[:, :, start:end]], 2)
        bias = tree.attention_bias(branch, window, query.dtype)
        seen.append(call(query[:, :, start:end], keys, values, attn_mask=bias))
    return torch.cat(seen, 2)


def by_blocks(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    window: int | None,
    tree: PrefixTree,
    scaling: float | None,
) -> torch.Tensor:
    """All nodes by FlexAttention, compiled on a GPU, once for every bucket of sizes; returns [1, heads, N, D]."""
    count = query.shape[2]
    size = bucket(count)
    parts = [pad(part, (0, 0, 0, size - count)) for part in (query, key, value)]
    found: torch.Tensor = _flex(query.device.type)(
        *parts, block_mask=tree.blocks(size, window), scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
    )
    return found[:, :, :count]


def bucket(count: int) -> int:
    """The size that so many nodes are padded to: few sizes, each a multiple of a block, at most a quarter too large."""
    step = max(_STEP, (1 << count.bit_length()) // 8)
    return -(-count // step) * step


@functools.cache
def _flex(device: str) -> Callable[..., torch.Tensor]:
    """FlexAttention, compiled where there is a compiler for its backward pass: on GPUs alone."""
    if device != "cuda":
        return flex_attention
    config = torch._dynamo.config
    config.recompile_limit = max(_COMPILED, config.recompile_limit)
    config.accumulated_recompile_limit = max(_COMPILED, config.accumulated_recompile_limit)
    return torch.compile(flex_attention, dynamic=False, fullgraph=True)


def use_flex(model: Any) -> str | None:
    """Have a model on a GPU attend to its trees by FlexAttention, from the next `share_prefixes` on.

    Args:
        model: the causal model, without an adapter's shell.

    Returns:
        None; or why it can't be used there, so that one dense mask is.
    """
    if model.device.type != "cuda":
        return "it is for GPUs, and the student is on a CPU"
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    for window in dict.fromkeys((None, getattr(config, "sliding_window", None))):
        if why := tried(model.device, model.dtype, (heads, key_heads), width, window):
            return why
    model.tree_attention = FLEX
    return None


def tried(
    device: torch.device, dtype: torch.dtype, heads: tuple[int, int], width: int, window: int | None = None
) -> str | None:
    """What is wrong with FlexAttention on a device, forward or backward, beside one dense mask; None where nothing is.

    The tree has blocks that are seen whole, in part and not at all, which run differently.

    Args:
        device: where.
        dtype: of queries, keys and values.
        heads: of the queries; of keys and values.
        width: of a head.
        window: how many positions back nodes see; None for all.
    """
    dice = torch.Generator().manual_seed(0)
    prefix, branch = _TRIED
    ids = torch.randint(1, 99, (4, prefix + branch), generator=dice)
    ids[:, :prefix] = ids[0, :prefix]
    ids = ids.to(device)
    tree = PrefixTree.of(ids, torch.ones_like(ids), ids)
    made = [torch.randn(1, some, tree.ids.shape[1], width, generator=dice) for some in (heads[0], heads[1], heads[1])]
    found = []
    try:
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            for flex in (True, False):
                query, key, value = (part.to(device, dtype).requires_grad_() for part in made)
                out, _ = _attention(torch.nn.Module(), query, key, value, None, None, window, tree, flex)
                out.float().square().mean().backward()
                found.append([out.detach(), query.grad, key.grad, value.grad])
    except Exception as error:  # a compiler has many ways to fail
        return f"FlexAttention doesn't run here: {' '.join(str(error).split())[:120]}"
    for ours, theirs in zip(*found, strict=True):
        assert ours is not None and theirs is not None
        apart = (ours.float() - theirs.float()).abs().max() / theirs.float().abs().max()
        if not apart <= _APART:  # NaN is no number to compare
            return f"FlexAttention answers otherwise here ({apart:.2g} of the largest value)"
    return None


AttentionInterface.register(NAME, _attention)
AttentionInterface.register(FLEX, functools.partial(_attention, flex=True))
for _name in (NAME, FLEX):
    AttentionMaskInterface.register(_name, sdpa_mask)
