"""One client for all that is asked of a model: retried where that helps, at the pace the server bears, kept at once.

An answer is in the ledger before anybody uses it, and is asked for only where the ledger has none.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass
from typing import Any

from empathic.endpoints import backoff
from empathic.endpoints.chat_api import (
    IN_WORDS,
    Answer,
    InvalidResponse,
    Request,
    body,
    ledger_key,
    not_taken,
    read,
    tokens,
    without,
)
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.generator import ATTEMPTS, Check, RequestFailed
from empathic.endpoints.in_order import in_order, run
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.limiter import ConcurrencyLimiter
from empathic.endpoints.pricing import Budget
from empathic.errors import UserError

PATIENCE = 100  # refusals for want of room (429) that a request bears, which say nothing about the request
_UNREACHED = 3  # attempts after which a server that never answered is taken for absent
_LONGEST_REFUSED = 4.0  # seconds after a 429 that names none; the pace sees to it that there is room
_AGAIN = 9  # scored requests that are asked again where a judging goes on
_AHEAD = 4  # requests begun for each in flight, so that a slow one holds up nobody


@dataclass
class _Outcome:
    """What came of an attempt: *answered*, *unusable*, *failed*, or *busy*, which says nothing about the request."""

    kind: str
    why: str = ""
    wait: float = 0.0
    answer: Answer | None = None
    tokens: tuple[int, int] = (0, 0)
    cost: float = 0.0


class Client:
    """Asks an endpoint, within `async with`.

    Args:
        endpoint: servers that are up.
        ledger: where answers are kept before they are used.
        budget: what they may cost; without one they cost nothing.
    """

    def __init__(self, endpoint: Endpoint, ledger: Ledger, budget: Budget | None = None) -> None:
        self.endpoint, self.ledger, self.budget = endpoint, ledger, budget or Budget()
        self.limiter = ConcurrencyLimiter(
            endpoint.max_connections, endpoint.requests_per_minute, endpoint.tokens_per_minute
        )
        self._stack = AsyncExitStack()
        self._idle: list[Any] = []
        self._reached = False
        self._unknown: set[str] = set()  # parameters that the server turned out not to take
        self._gives_logprobs = False

    async def __aenter__(self) -> Client:
        import openai

        servers = [
            openai.AsyncOpenAI(base_url=url, api_key=self.endpoint.key, max_retries=0, timeout=self.endpoint.timeout)
            for url in self.endpoint.urls
        ]
        for server in servers:
            await self._stack.enter_async_context(server)
        each = -(-self.endpoint.max_connections // len(servers))
        self._idle = [server for _ in range(each) for server in servers]
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._stack.aclose()

    async def answer(self, request: Request, purpose: str, check: Check = lambda answer: None) -> Answer:
        """The answer to a request, from the ledger or from the server.

        Args:
            request: what to ask.
            purpose: what the ledger files it under, such as "replies".
            check: raises `InvalidResponse` for an answer that should be asked for again, with another seed.

        Raises:
            RequestFailed: this request can't be answered.
            BudgetReached: the request could pass the purse's budget.
            UserError: nothing can be answered: the key is refused, the model unknown, the server absent, the disk full.
        """
        key, started, tried = ledger_key(self.endpoint, request), 0.0, Counter[str]()
        while tried["failed"] + tried["unusable"] < ATTEMPTS and tried["busy"] < PATIENCE:
            async with self.limiter.slot(tokens(request)):
                if (kept := self.ledger.get(key)) is not None:
                    return Answer(**kept)
                started = started or time.monotonic()
                outcome = await self._try(request, tried, purpose, check)
                tried[outcome.kind] += 1
                if outcome.answer is not None:
                    self.ledger.put(
                        key,
                        asdict(outcome.answer),
                        model=self.endpoint.identity,
                        purpose=purpose,
                        tokens=outcome.tokens,
                        seconds=time.monotonic() - started,
                        attempts=tried.total(),
                        cost=outcome.cost,
                    )
                    return outcome.answer
            await asyncio.sleep(outcome.wait)
        raise RequestFailed(f"{outcome.why}, {tried.total()} times")

    async def _try(self, request: Request, tried: Counter[str], purpose: str, check: Check) -> _Outcome:
        """One attempt: its answer, or why there is none, how long to wait, and what it cost."""
        tokens, reserved = (0, 0), self.budget.reserve(request.messages, request.max_tokens)
        outcome = _Outcome("answered")
        try:
            answer, tokens = await self._chat(request, request.seed + tried["unusable"])
            check(answer)
            outcome.answer = answer
        except InvalidResponse as error:
            outcome = _Outcome("unusable", str(error))
        except Exception as error:
            outcome = self._failed(error, tried)
        finally:
            cost = self.budget.settle(reserved, tokens)
        outcome.tokens, outcome.cost = tokens, cost
        if outcome.answer is None and any(tokens):
            self.ledger.record_discarded(
                outcome.why, model=self.endpoint.identity, purpose=purpose, tokens=tokens, cost=cost
            )
        return outcome

    async def warm(self, known: Iterable[Request]) -> None:
        """Ask again what has been answered, for the state that it leaves a server's cache in."""
        for request in known:
            try:
                await self._chat(request, request.seed)
            except Exception as error:
                raise RequestFailed(self._failed(error, Counter()).why) from error

    async def _chat(self, request: Request, seed: int) -> tuple[Answer, tuple[int, int]]:
        """The answer to one request, and prompt and completion tokens; in words where its probabilities don't come."""
        scored = bool(request.top_logprobs) and "logprobs" not in self._unknown
        answer, tokens = await self._send(request, seed, scored)
        if not scored:
            return answer, tokens
        if answer.logprobs:
            self._gives_logprobs = True
            return answer, tokens
        if not self._gives_logprobs:
            self._unknown |= {"logprobs", "top_logprobs"}
        answer, more = await self._send(request, seed, False)
        return answer, (tokens[0] + more[0], tokens[1] + more[1])

    async def _send(self, request: Request, seed: int, scored: bool) -> tuple[Answer, tuple[int, int]]:
        """One request over the wire, with log-probabilities where it is `scored`."""
        asked = body(self.endpoint, request, seed)
        if scored:
            asked |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        elif request.top_logprobs:
            asked["max_tokens"] = max(request.max_tokens, IN_WORDS)
        else:
            can = self.endpoint.capabilities
            more: dict[str, Any] = {}
            if can.cached_replies:
                more["cache_prompt"] = False
            if can.grammar and request.grammar:
                more["grammar"] = request.grammar
            asked["extra_body"] = more
        asked = without(asked, self._unknown)
        server = self._idle.pop()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                reply = await server.chat.completions.create(**asked)
        finally:
            self._idle.append(server)
        self._reached = True
        found = read(reply, scored)
        self.limiter.answered(time.monotonic() - started)
        return found

    def _failed(self, error: Exception, tried: Counter[str]) -> _Outcome:
        """Why an attempt failed, and how many seconds to wait for the next.

        Raises:
            RequestFailed: another attempt would fail alike.
            UserError: so would every other request.
        """
        import openai

        status = getattr(error, "status_code", None)
        where, wait = self.endpoint.urls[0], backoff.jitter(tried["failed"])
        if isinstance(error, (openai.APITimeoutError, TimeoutError)):
            return _Outcome("failed", f"no answer came in {self.endpoint.timeout:g} s", wait)
        if isinstance(error, openai.APIConnectionError):
            if not self._reached and tried["failed"] + 1 >= _UNREACHED:
                raise UserError(f"{where}: the server can't be reached; is it up, and the address right?") from error
            return _Outcome("failed", "the connection broke", wait)
        if status is None:
            if isinstance(error, (openai.OpenAIError, ValueError)):
                return _Outcome("failed", "the answer was garbled", wait)
            raise error
        self._reached = True
        if status in (401, 403):
            line = f"{where}: the server refused the key ({status}); check the variable that key_env names"
            raise UserError(line) from error
        if status == 404:
            raise UserError(f"{where}: the server knows no model {self.endpoint.model!r} there (404)") from error
        if getattr(error, "code", None) == "insufficient_quota":
            raise UserError(f"{where}: the account has no money left, says the server (429)") from error
        if status == 429:
            self.limiter.refused()
            wait = backoff.jitter(tried["busy"], _LONGEST_REFUSED)
            return _Outcome("busy", "the server was busy (429)", max(wait, backoff.retry_after(error)))
        if status in (408, 409) or status >= 500:
            return _Outcome("failed", f"the server answered {status}", max(wait, backoff.retry_after(error)))
        if status in (400, 422) and (names := not_taken(str(error))):
            self._unknown |= names
            return _Outcome("failed", f"the server takes no {' and '.join(sorted(names))}")
        raise RequestFailed(f"the server answered {status} ({' '.join(str(error).split())[:200]})") from error


def ask(
    endpoint: Endpoint,
    requests: Iterable[Request],
    ledger: Ledger,
    purpose: str,
    advance: Callable[[], None] = lambda: None,
) -> Iterator[Answer]:
    """Ask all requests, a window of them at a time; answers come in the order of the requests.

    Args:
        endpoint: a server that is up for as long as answers are taken.
        requests: what to ask; read no further ahead than the window.
        ledger: where answers are kept before they are used; those that are there aren't asked for.
        purpose: what the ledger files them under, such as "replies".
        advance: called once for every answer, in the order in which they come.

    Raises:
        UserError: a request that can't be answered; names the server and says why.
    """
    return run(_ask(Client(endpoint, ledger), requests, purpose, advance))


async def _ask(
    client: Client, requests: Iterable[Request], purpose: str, advance: Callable[[], None]
) -> AsyncGenerator[Answer, None]:
    async def one(request: Request, warm: asyncio.Future[None] | None) -> Answer:
        if warm:
            await warm
        answer = await client.answer(request, purpose)
        advance()
        return answer

    calls = (one(request, warm) for request, warm in _with_warmth(client, requests))
    async with client, aclosing(in_order(calls, _AHEAD * client.endpoint.max_connections)) as answers:
        try:
            async for answer in answers:
                yield answer
        except RequestFailed as error:
            raise UserError(f"{client.endpoint.urls[0]}: {error}") from error


def _with_warmth(client: Client, requests: Iterable[Request]) -> Iterator[tuple[Request, asyncio.Future[None] | None]]:
    """Requests, each with what it waits for, so that a judging that was killed goes on with the same scores.

    Where scores depend on a server's cache, that is to ask some again that have an answer, before the first scored one
    without: the first of all computes the prefix that they share; the last ones leave keys and values too.
    """
    first: list[Request] = []
    last: deque[Request] = deque(maxlen=_AGAIN)
    warm: asyncio.Future[None] | None = None
    for request in requests:
        if client.endpoint.capabilities.cached_scores and request.top_logprobs and warm is None:
            if client.ledger.get(ledger_key(client.endpoint, request)) is None:
                warm = asyncio.ensure_future(client.warm([*first, *last]))
            elif not first:
                first = [request]
            else:
                last.append(request)
        yield request, warm
