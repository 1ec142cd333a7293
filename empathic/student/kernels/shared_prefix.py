"""Shared-prefix training: tokens that examples of a batch have in common run once, forward and backward.

A batch is folded into a tree: the instruction that opens every example is its prefix, and the prompt that a chosen and
a rejected reply share is the foot of a branch. The nodes run as one row without padding, so that everything but
attention sees each of them once. In attention the prefix sees itself, and a branch sees the prefix and, by mask, a
node's own ancestors; gradients flow back into the prefix. Hidden states go to the head only where a loss is taken.
Losses, rewards and gradients are those of the padded batch, up to rounding, as `test_shared_prefix.py` checks.

The layer goes beneath TRL's fused head (`model(..., labels=..., fused_lm_head=True)`), so that every loss of TRL's
trainers works on top of it unchanged.
"""

from __future__ import annotations

import functools
import itertools
import types
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention as attend
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from trl.trainer.utils import FusedCausalLMOutput

from empathic.student.kernels.probe import Probe

NAME = "shared_prefix"
_WORTH = 8  # tokens shared beyond the prefix that are worth the larger attention of a forked branch
_BATCH = {"input_ids", "attention_mask", "labels"}
_BESIDE = {"fused_lm_head", "use_cache", "num_items_in_batch"}


@dataclass
class PrefixTree:
    """B right-padded rows of up to L tokens as N nodes, those of the prefix first.

    Attributes:
        ids: the nodes' tokens, [1, N]; the nodes of a branch stand together.
        positions: the nodes' positions in their rows, [1, N].
        prefix_len: P, how many tokens all rows begin with.
        branches: where each branch begins and ends among the nodes.
        paths: every row's nodes.
        nodes: the node that predicts each label, row by row, [K].
        labels: those labels, [1, K].
        mask: where they stand among the rows' shifted labels, [B, L - 1].
    """

    ids: torch.Tensor
    positions: torch.Tensor
    prefix_len: int
    branches: list[tuple[int, int]]
    paths: list[torch.Tensor]
    nodes: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor
    _biases: dict[tuple[int, int | None], torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> PrefixTree:
        """Fold a batch; all three are [B, L], labels are -100 where no loss is taken."""
        device = input_ids.device
        lengths = attention_mask.sum(1).tolist()
        rows = [row[:length] for row, length in zip(input_ids.tolist(), lengths, strict=True)]
        prefix_len = _common(min(rows), max(rows))
        tokens, positions = list(rows[0][:prefix_len]), list(range(prefix_len))
        paths: list[list[int]] = [[] for _ in rows]
        starts: list[int] = []
        before: list[int] = []
        path = list(range(prefix_len))
        for index in sorted(range(len(rows)), key=lambda i: rows[i]):
            row = rows[index]
            shared = _common(before, row)
            if shared < prefix_len + _WORTH:
                shared = prefix_len
                if len(row) > prefix_len:
                    starts.append(len(tokens))
            path = path[:shared] + list(range(len(tokens), len(tokens) + len(row) - shared))
            tokens += row[shared:]
            positions += range(shared, len(row))
            paths[index], before = path, row
        mask = labels[:, 1:] != -100
        nodes = [paths[b][t] for b, t in mask.nonzero().tolist()]
        return cls(
            ids=torch.tensor([tokens], device=device),
            positions=torch.tensor([positions], device=device),
            prefix_len=prefix_len,
            branches=list(itertools.pairwise([*starts, len(tokens)])),
            paths=[torch.tensor(path, device=device) for path in paths],
            nodes=torch.tensor(nodes, dtype=torch.long, device=device),
            labels=labels[:, 1:][mask][None],
            mask=mask,
        )

    def inputs(self) -> dict[str, Any]:
        """What the model is given in the batch's place; it returns states at the labels alone."""
        return {
            "input_ids": self.ids,
            "position_ids": self.positions,
            "attention_mask": self.ids.new_ones(1, 1, 1, 1),  # four axes: taken as it is, no mask is made of it
            "tree": self,
        }

    @functools.cached_property
    def is_ancestor(self) -> torch.Tensor:
        """Whether the second node is an ancestor of the first, or is it, [N, N]."""
        size = self.ids.shape[1]
        found = torch.zeros(size, size, dtype=torch.bool, device=self.ids.device)
        for path in self.paths:
            found[path[:, None], path[None, :]] |= torch.ones(len(path), len(path), device=path.device).tril().bool()
        return found

    def attention_bias(self, branch: int | None, window: int | None, dtype: torch.dtype) -> torch.Tensor:
        """What is added to attention scores: 0 where a node may look, -inf elsewhere.

        Args:
            branch: which branch's nodes look, [W, P + W]; None for all nodes, [N, N].
            window: how many positions back they see, where the model's layer slides.
            dtype: that of the scores.
        """
        key = (-1 if branch is None else branch, window)
        if key not in self._biases:
            position, seen = self.positions[0], self.is_ancestor
            if window is not None:
                seen = seen & (position[:, None] - position[None, :] < window)
            if branch is not None:
                start, end = self.branches[branch]
                seen = torch.cat([seen[start:end, : self.prefix_len], seen[start:end, start:end]], 1)
            self._biases[key] = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, -torch.inf)
        return self._biases[key]


def _common(one: list[int], two: list[int]) -> int:
    """How many tokens two rows begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    tree: PrefixTree | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """The attention of a tree's nodes; without a tree, PyTorch's as transformers calls it.

    `query` is [1, heads, N, D], `key` and `value` [1, key heads, N, D]; returns [1, N, heads, D].
    """
    if tree is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, sliding_window=sliding_window, **kwargs
        )
    grouped = query.shape[1] != key.shape[1]
    call = functools.partial(attend, dropout_p=kwargs.get("dropout", 0.0), scale=scaling, enable_gqa=grouped)
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


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


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
    base.set_attn_implementation(NAME)
    base.forward = types.MethodType(forward, base)
    hook = base.base_model.register_forward_hook(at_the_labels, with_kwargs=True)
    try:
        apart = probe.difference(base)
    except (TypeError, RuntimeError, ValueError) as error:
        apart = f"it can't run a tree: {' '.join(str(error).split())[:120]}"
    if apart:
        hook.remove()
        base.forward = stock
        base.set_attn_implementation(before)
        return f"{config.model_type} answers otherwise when tokens are shared ({apart})"
    return None


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
