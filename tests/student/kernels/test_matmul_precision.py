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


def test_products_stay_exact() -> None:
    matmul_precision.use_onednn()
    assert matmul_precision.relative_error() < 1e-6


def test_rounded_products_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul_precision, "_EXACT", 0.0)
    matmul_precision.use_onednn()
    assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
