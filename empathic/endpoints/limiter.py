"""How many requests a server has at a time, and how many it gets a minute.

Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain 1989): the number in flight doubles until the
server first refuses several requests at once, then creeps up. A third is taken off at once where a good part of the
last answers was 429, or where answers take far longer than they did. A single 429 among many good answers, and
failures of other kinds, say nothing about the pace.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_START = 8
_RECENT = 16  # answers that the pace is judged by
_STEADY = 1 / 16  # share that it gains in the time of one round of answers, but at least one, once it met a limit
_SLOW = 3.0  # times the best median of answers' seconds that count as slowing down
_REFUSED = 6  # 429s among the recent answers that make it retreat
_BACK = 2 / 3


class ConcurrencyLimiter:
    """A gate that so many requests may pass at a time, as many as the server bears.

    Args:
        most: requests in flight, at most.
        requests_per_minute: a cap, kept by spacing requests evenly.
        tokens_per_minute: likewise for the tokens of requests and answers, as estimated by the caller.
    """

    def __init__(self, most: int, requests_per_minute: int | None = None, tokens_per_minute: int | None = None) -> None:
        self.most, self.limit = most, float(min(most, _START))
        self.flying = 0
        self._per_minute = (requests_per_minute, tokens_per_minute)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ready = 0.0
        self._met_a_limit = False
        self._refused: deque[bool] = deque(maxlen=_RECENT)
        self._seconds: deque[float] = deque(maxlen=_RECENT)
        self._best = float("inf")

    @asynccontextmanager
    async def slot(self, tokens: int = 0) -> AsyncIterator[None]:
        """Wait until one more request may be sent; it is in flight within the block."""
        while self.flying >= int(self.limit):
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        self.flying += 1
        try:
            await self._space(tokens)
            yield
        finally:
            self.flying -= 1
            self._wake()

    async def _space(self, tokens: int) -> None:
        """Keep to the caps of a minute."""
        requests, of_tokens = self._per_minute
        seconds = max(60 / requests if requests else 0.0, 60 * tokens / of_tokens if of_tokens else 0.0)
        if seconds:
            now = time.monotonic()
            wait = max(0.0, self._ready - now)
            self._ready = now + wait + seconds
            await asyncio.sleep(wait)

    def answered(self, seconds: float) -> None:
        """An answer came after so many seconds: more may be in flight, or fewer where answers slow down."""
        self._refused.append(False)
        self._seconds.append(seconds)
        if len(self._seconds) == _RECENT:
            median = statistics.median(self._seconds)
            self._best = min(self._best, median)
            if median > _SLOW * self._best and self.limit > _START / 2:
                self._retreat()
                return
        gain = max(1.0, _STEADY * self.limit) / self.limit if self._met_a_limit else 1.0
        self.limit = min(self.most, self.limit + gain)
        self._wake()

    def refused(self) -> None:
        """The server said 429: far fewer at once, where it says so to many."""
        self._refused.append(True)
        if sum(self._refused) >= _REFUSED:
            self._retreat()

    def _retreat(self) -> None:
        self._met_a_limit = True
        self.limit = max(1.0, self.limit * _BACK)
        self._refused.clear()
        self._seconds.clear()

    def _wake(self) -> None:
        """Let as many go as there is room for."""
        room = int(self.limit) - self.flying
        while self._waiting and room > 0:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                room -= 1
