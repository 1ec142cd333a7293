"""Products stay those of float32, whoever computes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from empathic.student.kernels import matmul_precision


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = torch.backends.mkldnn.matmul.fp32_precision
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"
    yield
    torch.backends.mkldnn.matmul.fp32_precision = before


def test_onednn_multiplies_where_it_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(matmul_precision, "relative_error", lambda: 1e-7)
    assert matmul_precision.use_onednn() is None
    assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"


def test_products_stay_exact_whoever_computes_them() -> None:
    why = matmul_precision.use_onednn()
    assert (torch.backends.mkldnn.matmul.fp32_precision == "bf16") is (why is None)
    assert matmul_precision.relative_error() < 1e-6


def test_without_onednn_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert matmul_precision.use_onednn() == "this PyTorch has no oneDNN"


def test_rounded_products_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul_precision, "_EXACT", 0.0)
    matmul_precision.use_onednn()
    assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
