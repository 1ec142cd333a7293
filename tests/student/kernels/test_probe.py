"""A model that answers otherwise is refused, one that only rounds otherwise isn't, whatever its type.

Faults are put into the tree on purpose, each as small as the family's own rounding lets it be and still be one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from rounding import FAMILIES, rounding_model

from empathic.student.kernels import probe, shared_prefix, tree_attention
from empathic.student.kernels.prefix_tree import PrefixTree

pytestmark = pytest.mark.usefixtures("eager_blocks")
DTYPES = (torch.float32, torch.bfloat16)
OLD_BOUND = 0.02  # nats, whatever the type: below what bfloat16 rounds


@pytest.fixture(params=["in one call", "by branch", "by blocks"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Attention as a GPU has it, with one dense mask or by FlexAttention's blocks, and as a CPU has it in float32."""
    if request.param == "in one call":
        monkeypatch.setattr(tree_attention, "_by_branch", tree_attention._in_one_call)
    return str(request.param)


def _made(family: str, dtype: torch.dtype, way: str) -> Any:
    model = rounding_model(family, dtype)
    if way == "by blocks":
        model.tree_attention = tree_attention.FLEX
    return model


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_only_rounds_otherwise_is_shared(family: str, dtype: torch.dtype, way: str) -> None:
    model = _made(family, dtype, way)
    assert shared_prefix.share_prefixes(model) is None
    name = tree_attention.FLEX if way == "by blocks" else tree_attention.NAME
    assert model.config._attn_implementation == name


_descends = PrefixTree.descends
_folded = PrefixTree.of


def _siblings(tree: PrefixTree, node: torch.Tensor, other: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """A node sees all before it, those of other branches too."""
    return other <= node


def _no_last_of_the_prefix(
    tree: PrefixTree, node: torch.Tensor, other: torch.Tensor, ends: torch.Tensor
) -> torch.Tensor:
    last = tree.prefix_len - 1
    return _descends(tree, node, other, ends) & ~((node > last) & (other == last))


def _next_token(tree: PrefixTree, node: torch.Tensor, other: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    return _descends(tree, node, other, ends) | (other == node + 1)


def _in_order(cls: type[PrefixTree], **batch: torch.Tensor) -> PrefixTree:
    """Positions count nodes, not the tokens of a row."""
    tree = _folded(**batch)
    tree.positions = torch.arange(tree.ids.shape[1])[None]
    return tree


def _one_late(cls: type[PrefixTree], **batch: torch.Tensor) -> PrefixTree:
    tree = _folded(**batch)
    tree.positions = tree.positions + (torch.arange(tree.ids.shape[1]) >= tree.prefix_len)
    return tree


def _break(monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any]) -> None:
    if fault in (_in_order, _one_late):
        monkeypatch.setattr(PrefixTree, "of", classmethod(fault))
        return
    torch._dynamo.reset()  # it keeps what it traced, and guards no method of a class
    monkeypatch.setattr(PrefixTree, "descends", fault)


@pytest.mark.parametrize("fault", [_siblings, _no_last_of_the_prefix, _next_token, _in_order, _one_late])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_wrong_mask_or_position_is_refused(
    family: str, dtype: torch.dtype, fault: Callable[..., Any], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _made(family, dtype, way)
    before = model.config._attn_implementation
    _break(monkeypatch, fault)
    why = shared_prefix.share_prefixes(model)
    assert why and "answers otherwise when tokens are shared" in why
    assert model.config._attn_implementation == before


def test_bfloat16_rounds_more_than_the_bound_of_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    model = rounding_model("qwen2", torch.bfloat16)
    found = probe.Probe(model)
    assert found.largest > 2 * OLD_BOUND
    assert probe.Probe(rounding_model("qwen2", torch.float32)).largest == OLD_BOUND


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_is_no_number_is_no_answer(dtype: torch.dtype) -> None:
    model = rounding_model("llama", dtype)
    found = probe.Probe(model)
    model.model.norm.weight.data[0] = torch.nan
    assert "nan nats apart" in (found.difference(model) or "")


def test_rows_in_reverse_are_the_same_rows() -> None:
    model = rounding_model("llama", torch.float64)
    rows = probe._rows(model)
    turned = probe._answers(model, rows[::-1], left=9)[probe._turned(rows)]
    assert torch.allclose(probe._answers(model, rows), turned, atol=1e-6)
