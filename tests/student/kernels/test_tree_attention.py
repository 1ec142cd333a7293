"""FlexAttention over a tree, uncompiled, as a CPU has it: the losses and gradients of padded rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rounding import FAMILIES, rounding_model

from empathic.errors import UserError
from empathic.recipe import Kernels
from empathic.student.kernels import probe, shared_prefix, tree_attention
from empathic.student.kernels.optimize import optimize_model
from empathic.student.kernels.prefix_tree import PrefixTree

pytestmark = pytest.mark.usefixtures("eager_blocks")


def _batch() -> dict[str, torch.Tensor]:
    """Three pairs of up to 120 tokens which open alike, the replies of a pair after one prompt; [6, L]."""
    dice = torch.Generator().manual_seed(4)

    def words(count: int) -> list[int]:
        return torch.randint(3, 500, (count,), generator=dice).tolist()

    told, prompts = words(50), [words(count) for count in (30, 11, 24)]
    rows = [[*told, *prompts[i // 2], *words(12 + 6 * i)] for i in range(6)]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    seen = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    labels = ids.masked_fill(seen == 0, -100)
    labels[:, : len(told)] = -100
    return {"input_ids": ids, "attention_mask": seen, "labels": labels}


def _step(model: Any) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = model(**_batch(), fused_lm_head=True, use_cache=False).loss
    loss.backward()
    return loss.item(), {name: weight.grad.float().clone() for name, weight in model.named_parameters()}


def _apart(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """The distance of all gradients, in parts of their length."""
    one, other = (torch.cat([grad.flatten() for grad in grads.values()]) for grads in (ours, theirs))
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_have_the_loss_and_gradients_of_padded_rows(family: str) -> None:
    stock = rounding_model(family, torch.float32)
    loss, grads = _step(stock)
    model = rounding_model(family, torch.float32)
    model.tree_attention = tree_attention.FLEX
    assert shared_prefix.share_prefixes(model) is None
    ours, ours_grads = _step(model)
    assert ours == pytest.approx(loss, abs=1e-5)
    assert _apart(ours_grads, grads) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_in_bfloat16_blocks_part_no_more_than_padding_does(family: str) -> None:
    exact = rounding_model(family, torch.bfloat16).float()  # the same weights, which are rounded already
    loss, grads = _step(exact)
    stock, stock_grads = _step(rounding_model(family, torch.bfloat16))
    model = rounding_model(family, torch.bfloat16)
    model.tree_attention = tree_attention.FLEX
    assert shared_prefix.share_prefixes(model) is None
    ours, ours_grads = _step(model)
    assert abs(ours - loss) < max(0.01, 2 * abs(stock - loss))
    assert _apart(ours_grads, grads) < 1.5 * _apart(stock_grads, grads)


@pytest.mark.slow
def test_sixty_steps_in_bfloat16_without_a_number_that_is_none() -> None:
    """Qwen2 with large biases went to NaN on a GPU under another attention (docs/log.md)."""
    model = rounding_model("qwen2", torch.bfloat16)
    model.tree_attention = tree_attention.FLEX
    assert shared_prefix.share_prefixes(model) is None
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    losses = []
    for _ in range(60):
        loss, grads = _step(model)
        assert all(grad.isfinite().all() for grad in grads.values())
        optimizer.step()
        losses.append(loss)
    assert losses[-1] < losses[0] - 0.5


def test_sizes_are_few_and_hardly_too_large() -> None:
    sizes = [tree_attention.bucket(count) for count in range(1, 20_000)]
    assert all(count <= size and size % 128 == 0 for count, size in enumerate(sizes, 1))
    assert all(size <= max(count + 127, 1.25 * count) for count, size in enumerate(sizes, 1))
    assert sizes == sorted(sizes) and len({*sizes}) < 30


def test_a_cpu_keeps_its_way() -> None:
    model = rounding_model("llama", torch.float32)
    assert optimize_model(model, Kernels()) == {}
    assert model.config._attn_implementation == tree_attention.NAME
    with pytest.raises(UserError, match=r"kernels\.flex_attention: .* on a CPU"):
        optimize_model(rounding_model("llama", torch.float32), Kernels(flex_attention=True))


def test_what_fails_by_blocks_is_shared_under_one_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    model = rounding_model("llama", torch.float32)
    model.tree_attention = tree_attention.FLEX

    def fails(*arguments: Any) -> Any:
        raise RuntimeError("out of shared memory")

    monkeypatch.setattr(tree_attention, "by_blocks", fails)
    assert shared_prefix.share_prefixes(model) is None
    assert model.config._attn_implementation == tree_attention.NAME


@pytest.mark.parametrize("window", [None, 200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_what_a_device_answers_is_tried_forward_and_backward(
    dtype: torch.dtype, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = torch.device("cpu")
    assert tree_attention.tried(device, dtype, (4, 2), 16, window) is None
    with monkeypatch.context() as broken:
        broken.setattr(
            tree_attention, "by_blocks", lambda query, key, value, *rest: value.repeat_interleave(2, 1) + query
        )
        assert "answers otherwise" in (tree_attention.tried(device, dtype, (4, 2), 16, window) or "")
    with monkeypatch.context() as broken:

        def fails(*arguments: Any) -> Any:
            raise torch._dynamo.exc.Unsupported("no compiler")

        broken.setattr(tree_attention, "by_blocks", fails)
        assert "doesn't run here: no compiler" in (tree_attention.tried(device, dtype, (4, 2), 16, window) or "")
    with monkeypatch.context() as broken:
        broken.setattr(PrefixTree, "blocks", lambda tree, size, window: None)
        assert "answers otherwise" in (tree_attention.tried(device, dtype, (4, 2), 16, window) or "")


def test_a_window_is_kept_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = rounding_model("mistral", torch.float32)
    before = probe.Probe(model)
    model.tree_attention = tree_attention.FLEX
    blocks = PrefixTree.blocks
    monkeypatch.setattr(PrefixTree, "blocks", lambda tree, size, window: blocks(tree, size, None))
    monkeypatch.setattr(tree_attention, "_by_branch", lambda call, query, key, value, window, tree: query)
    assert "answers otherwise" in (shared_prefix.share_prefixes(model) or "")
    assert before.difference(model) is None, "it runs as before"
