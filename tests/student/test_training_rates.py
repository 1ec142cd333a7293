from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from empathic.recipe.steps import Dpo, Sft
from empathic.student import rates
from empathic.student.shape import Shape

SHAPE = Shape(int(7e9), int(1.03e9), 1, 32, 4096, 14336, 4096, 1, 128256)


@pytest.mark.parametrize(
    ("kind", "batch", "weights", "rate"),
    [("sft", 64, 8.03e9, 170.9), ("sft", 32, 8.03e9, 113.5), ("dpo", 32, 8.03e9, 75.2), ("sft", 64, 0.494e9, 243.7)],
)
def test_what_was_measured_comes_out(kind: Any, batch: int, weights: float, rate: float) -> None:
    made: Any = Sft if kind == "sft" else Dpo
    step = made(name=kind, kind=kind, batch_size=batch, epochs=3)
    shape = replace(SHAPE, linear=int(weights), other=0)
    likely = 0.02 if weights > 1e9 else 0.3  # the fixed part of a step is the 8B's
    assert rates.hours(step, shape, 64 * 50) * 3600 == pytest.approx(3 * 64 * 50 / rate, rel=likely)


def test_small_batches_and_large_students_take_longer() -> None:
    def hours(batch: int, shape: Shape = SHAPE) -> float:
        return rates.hours(Sft(name="sft", kind="sft", batch_size=batch), shape, 640)

    assert hours(2) > hours(16) > hours(64)
    assert hours(64, replace(SHAPE, linear=int(70e9))) > 3 * hours(64)
