from __future__ import annotations

from typing import Any

import pytest
import torch
from trl.kernels import ChunkedLogProbFunction

from empathic.student.kernels import head

OUTPUTS = ("log_probs", "entropy", "mean_logits", "is_top1")


def _both(rows: int, words: int, **changes: object) -> list[list[torch.Tensor | None]]:
    """Outputs and the gradient of the hidden states, TRL's and ours."""
    dice = torch.Generator().manual_seed(5)
    weight = torch.randn(words, 12, generator=dice)
    targets = torch.randint(words, (rows,), generator=dice)
    start = torch.randn(rows, 12, generator=dice)
    if rows:
        targets[0] = (start[0] @ weight.t()).argmax()  # one that is the likeliest
    keys: dict[str, Any] = {"bias": None, "temperature": 1.0, "softcap": None, "scale": 1.0, "outputs": OUTPUTS}
    keys |= changes
    weight.requires_grad_(bool(keys.pop("trained", False)))
    found = []
    for apply in (ChunkedLogProbFunction.apply, head._score):
        hidden = start.clone().requires_grad_()
        bias, temperature, softcap, scale, outputs = keys.values()
        out = apply(hidden, weight, bias, targets, temperature, 64, softcap, scale, outputs)
        (out[0] * torch.linspace(1, 2, rows)).sum().backward()
        found.append([*out, hidden.grad])
    return found


@pytest.mark.parametrize("words", [40, 2048, 5000])  # less than a tile, one, and several with a narrower last
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_the_one_pass_has_trls_outputs_and_gradients(rows: int, words: int) -> None:
    for theirs, ours in zip(*_both(rows, words), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert ours.shape == theirs.shape
            assert torch.allclose(ours.float(), theirs.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{"temperature": 0.7, "scale": 1.3}, {"softcap": 5.0}, {"bias": torch.ones(40)}, {"outputs": ("log_probs",)}],
)
def test_heads_of_other_kinds_have_them_too(changes: dict[str, object]) -> None:
    for theirs, ours in zip(*_both(6, 40, **changes), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert torch.allclose(ours.float(), theirs.float(), rtol=1e-4, atol=1e-5)


def test_the_gradient_is_that_of_small_steps() -> None:
    dice = torch.Generator().manual_seed(2)
    hidden = torch.randn(3, 4, dtype=torch.float64, generator=dice, requires_grad=True)
    weight = torch.randn(3000, 4, dtype=torch.float64, generator=dice)
    targets = torch.tensor([0, 2047, 2999])
    assert torch.autograd.gradcheck(lambda x: head._LogProbs.apply(x, weight, targets, False)[0], (hidden,))


def test_extreme_scores_stay_finite() -> None:
    hidden = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    weight = torch.linspace(-1, 1, 4097)[:, None]
    scores = head._score(hidden, weight, None, torch.tensor([4096, 4096]), 1.0, 64, None, 1.0, OUTPUTS)[0]
    assert scores is not None
    scores.sum().backward()
    assert scores.tolist() == pytest.approx([0.0, -2e4], abs=0.01)
    assert hidden.grad is not None and torch.isfinite(hidden.grad).all()


def test_two_equal_words_are_top_by_the_first_alone() -> None:
    weight = torch.zeros(4100, 2)
    weight[3] = weight[4099] = torch.tensor([5.0, 0.0])
    hidden, targets = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([3, 4099])
    theirs = ChunkedLogProbFunction.apply(hidden, weight, None, targets, 1.0, 4100, None, 1.0, OUTPUTS)[4]
    ours = head._score(hidden, weight, None, targets, 1.0, 4100, None, 1.0, OUTPUTS)[4]
    assert ours is not None and ours.tolist() == theirs.tolist() == [True, False]
