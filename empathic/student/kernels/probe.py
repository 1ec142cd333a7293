"""Whether a model still answers as before once its steps run otherwise, as far as its own rounding can tell.

Rows that are batched in another shape go through other products in another order, so that a model in bfloat16 answers
them differently too: by 0.03 nats (1B) to 0.17 (8B) where it was measured (H200). So like is held against like: what
is new may part from what was by no more than what was parts from itself when the same rows come in other batches. In
float32, where all of that is below 1e-3, the bound is a fixed one.
"""

from __future__ import annotations

from typing import Any

import torch

_TOLERANCE = 0.02  # nats a label, in float32; no model is held to less
_TIMES = 2.5  # a model's own spread, which is itself only a sample of its rounding
_EXACT = (torch.float32, torch.float64)


class Probe:
    """A model's log-probabilities of made-up rows, by which it is known later on.

    The rows are two pairs, which share a prefix and, by pairs, a prompt.

    Args:
        model: a causal model that TRL gave its fused head, as it is before anything is changed.
    """

    def __init__(self, model: Any) -> None:
        self.before = _answers(model, _rows(model))
        self.exact = model.get_input_embeddings().weight.dtype in _EXACT
        spread = (0.0, 0.0) if self.exact else _spread(model, self.before)
        self.largest, self.usual = (max(_TOLERANCE, _TIMES * nats) for nats in spread)

    def difference(self, model: Any) -> str | None:
        """By how much the model now answers otherwise, in words; None where that is its rounding.

        Both the largest difference of a label is looked at and the root of the mean square of all, since a fault that
        touches every label a little stands out there from rounding.
        """
        largest, usual = _apart(self.before, _answers(model, _rows(model)))
        if largest <= self.largest and (self.exact or usual <= self.usual):  # NaN is neither
            return None
        beside = "" if self.exact else f", where its own rounding explains {self.largest:.2g} and {self.usual:.2g}"
        return f"{largest:.2g} nats apart at most, {usual:.2g} on average{beside}"


def _rows(model: Any) -> list[tuple[list[int], int]]:
    """Rows of tokens, each with how many of them open every row."""
    top = min(model.config.get_text_config().vocab_size, 1000) - 1
    prefix, prompts, replies = range(12), (range(12, 24), range(30, 42)), (range(50, 58), range(77, 79))
    rows = [[1 + token % top for token in (*prefix, *asked, *said)] for said in replies for asked in prompts]
    return [(row, len(prefix)) for row in rows]


def _answers(model: Any, rows: list[tuple[list[int], int]], left: int = 0, right: int = 0) -> torch.Tensor:
    """The log-probabilities of the rows' tokens after the prefix, row by row, in float32, [K].

    Args:
        model: as `Probe` takes it.
        rows: those of one batch.
        left: so many columns of padding before all rows.
        right: so many after the longest.
    """
    width = left + max(len(row) for row, _ in rows) + right
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, (row, shared) in enumerate(rows):
        ids[i, left : left + len(row)] = torch.tensor(row)
        mask[i, left : left + len(row)] = 1
        labels[i, left + shared : left + len(row)] = torch.tensor(row[shared:])
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    if left:  # rows begin at 0 all the same
        batch["position_ids"] = (torch.arange(width) - left).clamp(min=0).expand(len(rows), -1)
    training = model.training
    model.eval()
    with torch.no_grad():
        on_device = {name: value.to(model.device) for name, value in batch.items()}
        found = model(**on_device, fused_lm_head=True, use_cache=False).log_probs
    model.train(training)
    answers: torch.Tensor = found[on_device["labels"][:, 1:] != -100].float()
    return answers


def _spread(model: Any, together: torch.Tensor) -> tuple[float, float]:
    """How far the model's answers part from `together` when the same rows are batched otherwise."""
    rows = _rows(model)
    others = (
        torch.cat([_answers(model, [row]) for row in rows]),
        torch.cat([_answers(model, rows[:2], right=9), _answers(model, rows[2:], right=9)]),
        _answers(model, rows * 4, right=32)[: len(together)],
        _answers(model, rows, left=5),
        _answers(model, rows, left=20, right=20),
        _answers(model, rows[::-1], left=9)[_turned(rows)],
    )
    found = [_apart(together, other) for other in others]
    return max(largest for largest, _ in found), max(usual for _, usual in found)


def _turned(rows: list[tuple[list[int], int]]) -> torch.Tensor:
    """Where the labels of `rows` stand among those of the rows in reverse order."""
    sizes = [len(row) - shared for row, shared in rows]
    ends = [sum(sizes[i:]) for i in range(len(sizes))]
    return torch.cat([torch.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)])


def _apart(one: torch.Tensor, other: torch.Tensor) -> tuple[float, float]:
    """The largest difference, and the root of the mean square."""
    apart = (one - other).abs()
    return apart.max().item(), apart.square().mean().sqrt().item()
