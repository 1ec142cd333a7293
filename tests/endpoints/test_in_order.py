from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from empathic.endpoints.in_order import in_order, run
from empathic.endpoints.pricing import BudgetReached


async def _after(seconds: float, value: int) -> int:
    await asyncio.sleep(seconds)
    return value


async def _raises(seconds: float, error: Exception) -> int:
    await asyncio.sleep(seconds)
    raise error


def test_results_come_in_order_and_few_calls_are_begun_ahead() -> None:
    begun = 0

    def calls() -> Iterator[asyncio.Future[int]]:
        nonlocal begun
        for i in range(1_000_000):
            begun += 1
            yield asyncio.ensure_future(_after(0.001 * (i % 3 == 0), i))

    stream = run(in_order(calls(), 8))
    assert [next(stream) for _ in range(50)] == list(range(50))
    assert begun <= 58
    stream.close()  # type: ignore[attr-defined]


def test_what_one_raises_ends_all_without_waiting_for_those_before_it() -> None:
    calls = [_after(0, 0), _after(30, 1), _raises(0.01, ValueError("no"))]
    stream = run(in_order(calls, 8))
    assert next(stream) == 0
    with pytest.raises(ValueError, match="no"):
        next(stream)


def test_a_budget_that_is_used_up_lets_what_was_begun_before_it_end() -> None:
    late: list[int] = []

    async def paid() -> int:
        late.append(await _after(0.05, 1))
        return 1

    calls = [paid(), _raises(0, BudgetReached("used up")), paid()]
    stream = run(in_order(calls, 8))
    assert next(stream) == 1
    with pytest.raises(BudgetReached):
        next(stream)
    assert late == [1, 1]
