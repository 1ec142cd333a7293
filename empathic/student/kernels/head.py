"""A label's log-probability and its gradient in one pass over the vocabulary, for heads that are not trained.

TRL's fused head goes through the vocabulary once forward and, since it keeps no logits, once more backward: three
matrix products where two do. Under LoRA the head is frozen, so all that the backward pass wants is how a label's
log-probability moves with its own hidden state, `weight[label] - p @ weight`. That is attention with the head as both
keys and values, and can be summed tile by tile as FlashAttention does (arXiv 2205.14135), with the tile still in the
caches. The entropy that TRL logs comes out of the same sum: `log Z - hidden @ (p @ weight)`.
"""

from __future__ import annotations

import functools
import types
from contextvars import ContextVar
from typing import Any

import torch
import trl.trainer.utils
from trl.kernels import ChunkedLogProbFunction

from empathic.student.kernels.shared_prefix import causal_model

_TILE = 2048  # words whose weights and scores fit a CPU's caches together
_KNOWN = {"log_probs", "entropy", "mean_logits", "is_top1"}


_TOLERANCE = 1e-3  # nats by which scores of float32 may part from TRL's
_NAME = "_ChunkedLogProbFunction"  # what TRL's fused head calls, by its name in the module
_PATCHED: ContextVar[bool] = ContextVar("patched", default=False)  # whether the model that runs was patched


class _Dispatch:
    """TRL's function for models that were not patched, ours for those that were; safe among threads."""

    @staticmethod
    def apply(*args: Any) -> tuple[torch.Tensor | None, ...]:
        return _score(*args) if _PATCHED.get() else ChunkedLogProbFunction.apply(*args)


def patch_lm_head(model: Any) -> str | None:
    """Have a model that TRL gave its fused head score labels here, on CPUs and where the head is plain and frozen.

    Returns:
        None; or why it can't be done, and the model scores labels as TRL does.
    """
    if not hasattr(trl.trainer.utils, _NAME):
        return f"this TRL has no {_NAME}"
    base = causal_model(model)
    if (head := base.get_output_embeddings()) is None:
        return f"{base.config.model_type} has no output embeddings"
    if (apart := _difference(head.weight)) > _TOLERANCE:
        return f"its scores part from TRL's by {apart:.2g} nats"
    setattr(trl.trainer.utils, _NAME, _Dispatch)
    stock = base.forward

    @functools.wraps(type(base).forward)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = _PATCHED.set(True)
        try:
            return stock(*args, **kwargs)
        finally:
            _PATCHED.reset(before)

    base.forward = types.MethodType(forward, base)
    return None


def _difference(weight: torch.Tensor) -> float:
    """The largest difference from TRL's scores of made-up states under the head's first words, `weight` [V, H]."""
    weight = weight.detach()[: 2 * _TILE]
    dice = torch.Generator().manual_seed(0)
    hidden = torch.randn(4, weight.shape[1], generator=dice).to(weight)
    targets = torch.arange(4, device=weight.device) * (weight.shape[0] // 4)
    settings = (hidden, weight, None, targets, 1.0, 256, None, 1.0, ("log_probs",))
    with torch.no_grad():
        ours, theirs = _score(*settings)[0], ChunkedLogProbFunction.apply(*settings)[0]
    return float((ours - theirs).abs().max())


def _score(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    temperature: float,
    chunk_size: int,
    softcap: float | None,
    scale: float,
    outputs: tuple[str, ...],
) -> tuple[torch.Tensor | None, ...]:
    """What `ChunkedLogProbFunction` returns, of `hidden` [K, H], `weight` [V, H] and `targets` [K]."""
    plain = bias is None and softcap is None and set(outputs) <= _KNOWN and not weight.requires_grad
    whole = hidden.dtype == weight.dtype and not torch.is_autocast_enabled(hidden.device.type)
    if not plain or not whole or hidden.device.type != "cpu":
        return ChunkedLogProbFunction.apply(
            hidden, weight, bias, targets, temperature, chunk_size, softcap, scale, outputs
        )
    hidden = hidden * (scale / temperature)
    scores, entropy, top = _LogProbs.apply(hidden, weight, targets, "entropy" in outputs)
    mean = hidden.detach() @ weight.mean(0) if "mean_logits" in outputs else None
    return scores, entropy, None, mean, top if "is_top1" in outputs else None


class _LogProbs(torch.autograd.Function):
    """Log-probabilities of `targets`, the entropy (without gradient) and whether each target is the likeliest word."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, entropy: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        rows = hidden.shape[0]
        highest = hidden.new_full((rows,), -torch.inf)
        likeliest = targets.new_full((rows,), -1)
        total = hidden.new_zeros(rows)
        moves = ctx.needs_input_grad[0]
        mean = torch.zeros_like(hidden)  # sum of exp(score) * weight, then p @ weight
        for start in range(0, weight.shape[0], _TILE):
            words = weight[start : start + _TILE]
            tile = hidden @ words.t()
            among, at = tile.max(1)
            likeliest = torch.where(among > highest, at + start, likeliest)  # the first of equals, as TRL has it
            before, highest = highest, torch.maximum(highest, among)
            tile.sub_(highest[:, None]).exp_()
            shrink = (before - highest).exp_()
            total.mul_(shrink).add_(tile.sum(1))
            if moves or entropy:
                mean.mul_(shrink[:, None]).addmm_(tile, words)
        mean.div_(total[:, None])
        log_total = highest + total.log()
        named = weight[targets]
        scores = torch.linalg.vecdot(hidden, named) - log_total
        spread = log_total - torch.linalg.vecdot(hidden, mean) if entropy else None
        top = likeliest == targets
        if moves:
            ctx.save_for_backward(named.sub_(mean))
        ctx.mark_non_differentiable(*(each for each in (spread, top) if each is not None))
        return scores, spread, top

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, *_: Any) -> tuple[torch.Tensor, None, None, None]:
        (moves,) = ctx.saved_tensors
        return gradient[:, None] * moves, None, None, None
