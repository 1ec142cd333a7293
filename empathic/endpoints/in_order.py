"""Many calls at once, their results in order: so many are begun ahead, however many there are in all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator
from typing import TypeVar

from empathic.endpoints.pricing import BudgetReached

T = TypeVar("T")


async def in_order(calls: Iterable[Awaitable[T]], ahead: int) -> AsyncGenerator[T, None]:
    """The results of calls in their order, with `ahead` of them begun at a time, at most.

    What one of them raises cancels the others at once. A budget that is used up waits for its turn instead: what was
    begun before it is paid for.
    """
    begun: deque[asyncio.Future[T]] = deque()
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def watch(done: asyncio.Future[T]) -> None:
        error = None if done.cancelled() else done.exception()
        if error and not isinstance(error, BudgetReached) and not failed.done():
            failed.set_exception(error)

    async def first() -> T:
        if not begun[0].done():
            await asyncio.wait((begun[0], failed), return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            failed.result()
        return await begun.popleft()

    try:
        for call in calls:
            begun.append(asyncio.ensure_future(call))
            begun[-1].add_done_callback(watch)
            if len(begun) >= ahead:
                yield await first()
        while begun:
            yield await first()
    except BudgetReached:
        await asyncio.gather(*begun, return_exceptions=True)
        raise
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        if not failed.cancel():
            failed.exception()


def run(stream: AsyncGenerator[T, None]) -> Iterator[T]:
    """What an asynchronous stream yields, for callers that are not; it goes on while they ask for more."""
    with asyncio.Runner() as runner:
        try:
            while found := runner.run(_next(stream)):
                yield found[0]
        finally:
            runner.run(stream.aclose())


async def _next(stream: AsyncGenerator[T, None]) -> tuple[T] | None:
    try:
        return (await anext(stream),)
    except StopAsyncIteration:
        return None
