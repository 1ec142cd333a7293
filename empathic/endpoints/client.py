"""One client for all that is asked of a model: retried where that helps, at the pace the server bears, kept at once.

An answer is in the ledger before anybody uses it, and is asked for only where the ledger has none.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict
from typing import Any
from weakref import WeakValueDictionary

from empathic import files
from empathic.endpoints.answers import Filtered, NoAnswer, ThoughtTooLong, Tokens, load, read
from empathic.endpoints.chat_api import (
    IN_WORDS,
    REFUSED,
    Answer,
    InvalidResponse,
    Request,
    body,
    ledger_key,
    limit,
    tokens,
)
from empathic.endpoints.connection import connect
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.failures import Outcome, Standing
from empathic.endpoints.generator import ATTEMPTS, Check, MessageRefused, NoRoomToAnswer, RequestFailed
from empathic.endpoints.in_order import in_order, run
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.limiter import ConcurrencyLimiter
from empathic.endpoints.pricing import Budget, estimated_tokens
from empathic.errors import UserError

PATIENCE = 100  # refusals for want of room (429) that a request bears, which say nothing about the request
_REWORDED = 16  # times that a request is said otherwise, for what its server doesn't take
_SILENT = 3  # requests after which a model that only ever thought is taken for one that never answers
_AGAIN = 9  # scored requests that are asked again where a judging goes on
_AHEAD = 4  # requests begun for each in flight, so that a slow one holds up nobody


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
        self._standing = Standing(endpoint, ledger)
        self._requests = itertools.count()
        self._alone = WeakValueDictionary[str, asyncio.Lock]()  # equal requests go one after another: one is paid for

    async def __aenter__(self) -> Client:
        of = self.endpoint
        for url in of.urls:
            self._idle.append(await self._stack.enter_async_context(connect(url, of.key, of.timeout)))
        self._idle *= -(-of.max_connections // len(of.urls))
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
        key = ledger_key(self.endpoint, request)
        async with self._alone.setdefault(files.digest(key), asyncio.Lock()):
            if (kept := self.ledger.get(key)) is not None:
                return Answer(**kept)
            return await self._asked(request, key, purpose, check)

    async def _asked(self, request: Request, key: dict[str, Any], purpose: str, check: Check) -> Answer:
        """The answer to a request from the server, kept in the ledger."""
        started, tried, number = 0.0, Counter[str](), next(self._requests)
        while (
            tried["failed"] + tried["unusable"] < ATTEMPTS
            and tried["busy"] < PATIENCE
            and tried["reworded"] < _REWORDED
        ):
            async with self.limiter.slot(tokens(request)):
                started = started or time.monotonic()
                outcome = await self._try(request, tried, number, purpose, check)
                tried[outcome.kind] += 1
                if outcome.kind == "busy":
                    self.limiter.refused()
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
            if outcome.ends:
                raise outcome.failure(outcome.why)
            await asyncio.sleep(outcome.wait)
        raise outcome.failure(f"{outcome.why}, {tried.total()} times")

    async def _try(self, request: Request, tried: Counter[str], number: int, purpose: str, check: Check) -> Outcome:
        """One attempt: its answer, or why there is none, how long to wait, and what it cost."""
        tokens, reserved = (0, 0), self.budget.reserve(request.messages, limit(self.endpoint, request))
        outcome, sent = Outcome("answered"), dict[str, Any]()
        try:
            answer, tokens = await self._chat(request, request.seed + tried["unusable"], sent)
            self._standing.answered += 1
            tokens = self.budget.counted(tokens, request.messages, estimated_tokens(answer.text))
            check(answer)
            outcome.answer = answer
        except InvalidResponse as error:
            if isinstance(error, NoAnswer):
                most = limit(self.endpoint, request)
                written = most if isinstance(error, ThoughtTooLong) else estimated_tokens(error.text or "")
                paid = error.text is not None
                tokens = self.budget.counted(error.tokens, request.messages, written) if paid else error.tokens
            outcome = self._unusable(error, request)
        except Exception as error:
            outcome = self._standing.outcome(error, sent, tried, number)
        finally:
            cost = self.budget.settle(reserved, tokens)
        outcome.tokens, outcome.cost = tokens, cost
        if outcome.answer is None and any(tokens):
            self.ledger.record_discarded(
                outcome.why, model=self.endpoint.identity, purpose=purpose, tokens=tokens, cost=cost
            )
        return outcome

    def _unusable(self, error: InvalidResponse, request: Request) -> Outcome:
        """An answer of no use: another seed may give a better one, but not past a filter."""
        outcome = Outcome("unusable", str(error))
        if isinstance(error, Filtered):
            outcome.failure, outcome.ends = MessageRefused, True
        elif isinstance(error, ThoughtTooLong):
            outcome.failure, outcome.ends = NoRoomToAnswer, not self._standing.answers or request.temperature == 0
        return outcome

    @property
    def answers(self) -> bool:
        """Whether the server ever answered, in this run or an earlier one."""
        return self._standing.answers

    async def warm(self, known: Iterable[Request]) -> None:
        """Ask again what has been answered, for the state that it leaves a server's cache in."""
        for request in known:
            sent: dict[str, Any] = {}
            try:
                await self._chat(request, request.seed, sent)
            except Exception as error:
                raise RequestFailed(self._standing.outcome(error, sent, Counter(), next(self._requests)).why) from error

    async def _chat(self, request: Request, seed: int, sent: dict[str, Any]) -> tuple[Answer, Tokens]:
        """The answer to one request, and prompt and completion tokens; in words where its probabilities don't come."""
        dialect = self.endpoint.dialect
        scored = bool(request.top_logprobs) and "logprobs" not in dialect.left_out
        answer, tokens = await self._send(request, seed, scored, sent)
        if not scored:
            return answer, tokens
        if answer.logprobs:
            dialect.gives_logprobs = True
            return answer, tokens
        if not dialect.gives_logprobs:
            dialect.left_out |= {"logprobs", "top_logprobs"}
        answer, more = await self._send(request, seed, False, sent)
        return answer, (tokens[0] + more[0], tokens[1] + more[1])

    async def _send(self, request: Request, seed: int, scored: bool, sent: dict[str, Any]) -> tuple[Answer, Tokens]:
        """One request over the wire, with log-probabilities where it is `scored`; `sent` becomes what was sent."""
        import httpx2

        asked, can = body(self.endpoint, request, seed), self.endpoint.capabilities
        if scored:
            asked |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        elif request.top_logprobs:
            asked["max_tokens"] = max(request.max_tokens, IN_WORDS)
        else:
            asked |= {"cache_prompt": False} if can.cached_replies else {}
            asked |= {"grammar": request.grammar} if can.grammar and request.grammar else {}
        sent.clear()
        sent |= self.endpoint.dialect.say(asked)
        server = self._idle.pop()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                reply = await server.post("/chat/completions", body=sent, cast_to=httpx2.Response)
        finally:
            self._idle.append(server)
        self._standing.reached = True
        found = read(load(reply.content.decode("utf-8", "replace")), scored, can.verbatim)
        self.limiter.answered(time.monotonic() - started)
        return found


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

    Yields:
        An answer a request. One that the server refuses for what it says, or that a model has no room to answer, has
        an empty one, which is no opinion.

    Raises:
        UserError: a request that can't be answered; names the server and says why.
    """
    return run(_ask(Client(endpoint, ledger), requests, purpose, advance))


async def _ask(
    client: Client, requests: Iterable[Request], purpose: str, advance: Callable[[], None]
) -> AsyncGenerator[Answer, None]:
    silent: list[UserError] = []  # what to say of a model that thinks and never answers

    async def one(request: Request, warm: asyncio.Future[None] | None) -> Answer:
        if warm:
            await warm
        try:
            answer = await client.answer(request, purpose)
        except MessageRefused:
            answer = Answer("", REFUSED, {})
        except NoRoomToAnswer as error:
            what = f"{error}; pass what keeps it from thinking as extra_body, or ask another"
            silent.append(UserError(f"{client.endpoint.urls[0]}: {what}"))
            if len(silent) >= _SILENT and not client.answers:
                raise silent[0] from error
            answer = Answer("", "length", {})
        advance()
        return answer

    calls = (one(request, warm) for request, warm in _with_warmth(client, requests))
    async with client, aclosing(in_order(calls, _AHEAD * client.endpoint.max_connections)) as answers:
        try:
            async for answer in answers:
                yield answer
        except RequestFailed as error:
            raise UserError(f"{client.endpoint.urls[0]}: {error}") from error
    if silent and not client.answers:
        raise silent[0]


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
