from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from empathic.student.kernels import tree_attention


@pytest.fixture
def eager_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """FlexAttention as a CPU can have it: uncompiled, with scores in float32 as the compiled kernels have them.

    PyTorch refuses the backward pass on a CPU, for which it has no compiler; uncompiled it is the same on every device.
    """

    def attended(*parts: torch.Tensor, **settings: Any) -> torch.Tensor:
        found: Any = flex_attention(*(part.float() for part in parts), **settings)
        return found.to(parts[0].dtype)

    monkeypatch.setattr(torch.nn.attention.flex_attention, "_validate_device", lambda query, key, value: None)
    monkeypatch.setattr(tree_attention, "_flex", lambda device: attended)
    yield
    torch._dynamo.reset()  # it keeps what it traced, a fault's too
