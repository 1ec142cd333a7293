"""A session for Ray's HTTP stage in place of aiohttp's: it sends a batch at once, waits as asked, and tries again."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self
from weakref import WeakKeyDictionary

from empathic.endpoints import backoff, connection
from empathic.endpoints.refusals import Refusal, refusal
from empathic.errors import UserError

TRIES = 8  # of a question that fails for reasons of the server's
UNREACHED = 4  # tries after which a server that never answered is taken for absent


@dataclass(frozen=True)
class Sessions:
    """What makes a worker's session; the key is shown nowhere.

    Attributes:
        server: the base URL.
        key: sent as the API key.
        timeout: seconds for an answer.
        most: questions at the server at a time.
    """

    server: str
    key: str = field(repr=False)
    timeout: float
    most: int

    def __call__(self) -> Session:
        """A session for one batch."""
        return Session(self)


@dataclass
class _Known:
    """What a worker's sessions have in common: places at the server, and whether it ever answered."""

    places: asyncio.Semaphore
    answered: bool = False


_KNOWN: WeakKeyDictionary[asyncio.AbstractEventLoop, _Known] = WeakKeyDictionary()  # Ray has two batches in one loop


class Session:
    """A session as Ray's HTTP stage uses one: it posts at once, and every answer that it gives is of use."""

    def __init__(self, made: Sessions) -> None:
        self._made = made

    async def __aenter__(self) -> Self:
        import httpx2

        client = partial(httpx2.AsyncClient, timeout=self._made.timeout, follow_redirects=True)
        self._client = connection.http(self._made.server, client)
        self._known = _KNOWN.setdefault(asyncio.get_running_loop(), _Known(asyncio.Semaphore(self._made.most)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def post(self, url: str, headers: dict[str, str], data: str) -> asyncio.Task[Came]:
        """Begin to ask; `data` is a body's JSON as a JSON string."""
        return asyncio.create_task(self._asked(url, json.loads(data)))

    async def _asked(self, url: str, body: str) -> Came:
        """What came at last, after as many tries as it takes.

        Raises:
            UserError: any other question would fare alike.
        """
        status, found = 0, None
        for failures in range(TRIES):
            status, found, wait = await self._tried(url, body)
            if status == 200 and isinstance(found, dict) and "choices" in found:
                self._known.answered = True
                break
            said = refusal(status, found, self._made.key)
            self._end(said, failures)
            if status and status < 500 and status not in (200, 408, 409, 425, 429):
                break  # about this question alone
            status, found = 0, str(said)
            await asyncio.sleep(max(wait, backoff.jitter(failures)))
        words = found if isinstance(found, str) else json.dumps(found)
        if status != 200 and self._made.key != "none":
            found = words.replace(self._made.key, "…")  # a server's words may hold the key, an answer doesn't
        return Came(json.dumps({"status_code": status, "body": found}))

    async def _tried(self, url: str, body: str) -> tuple[int, Any, float]:
        """A status, 0 where nothing of use came; what came; and the seconds that the server asks to wait."""
        import httpx2

        head = {"content-type": "application/json", "authorization": f"Bearer {self._made.key}"}
        try:
            async with self._known.places:
                response = await self._client.post(url, content=body.encode(), headers=head)
        except httpx2.HTTPError as error:
            return 0, str(error) or type(error).__name__, 0.0
        try:
            return response.status_code, response.json(), backoff.retry_after(response)
        except (ValueError, RecursionError):
            garbled = response.status_code == 200
            return 0 if garbled else response.status_code, response.text[:1000], backoff.retry_after(response)

    def _end(self, said: Refusal, failures: int) -> None:
        """Raise what ends everything: no money, no key, no model, no such address, nobody there."""
        where, first = self._made.server, not self._known.answered
        if said.of_money or said.status in (401, 405) or (said.of_model and not said.of_filter):
            raise UserError(f"{where}: the server takes no question ({said})")
        if (said.status == 404 or (said.status == 403 and first)) and not said.of_filter:
            raise UserError(f"{where}: the server takes no question; are address, model and key right? ({said})")
        if not said.status and first and failures + 1 >= UNREACHED:
            raise UserError(f"{where}: the server can't be reached, or gives no answer of use ({said.said})")


@dataclass(frozen=True)
class Came:
    """A response as Ray's HTTP stage reads one; its status is ours, since what the server's means was seen to."""

    answer: str
    status: int = 200
    reason: str = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def json(self) -> dict[str, str]:
        """One column of text, whatever shape the answer has."""
        return {"answer": self.answer}
