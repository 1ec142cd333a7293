"""What an endpoint can do, found out by the very client that runs ask with; nothing it says is kept."""

from __future__ import annotations

import asyncio
import difflib
import json
import tempfile
import time
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from empathic.doctor import questions
from empathic.doctor.finding import Finding, fails, mind, ok
from empathic.endpoints.answers import ErrorReply, NoAnswer, WebPage, load, read
from empathic.endpoints.chat_api import Answer, Request, body
from empathic.endpoints.client import Client
from empathic.endpoints.connection import connect, is_loopback, proxy_variable
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.generator import MessageRefused, NoRoomToAnswer, RequestFailed
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.pricing import Prices, cost
from empathic.endpoints.refusals import refusal
from empathic.errors import UserError
from empathic.judge.measures.behaviours import log_odds

Role = Literal["teacher", "judge"]
PATIENCE = 120.0  # seconds that a question may take, with all attempts at it
_SHOWN = 8  # models that are listed
_AT_ONCE = 4


@dataclass
class Examination:
    """An endpoint under examination.

    Args:
        endpoint: a server that is up; its dialect learns what it takes.
        roles: what it is wanted as.
        prices: of its model, where they are known.
    """

    endpoint: Endpoint
    roles: Collection[Role] = ("teacher", "judge")
    prices: Prices | None = None
    tokens: list[int] = field(default_factory=lambda: [0, 0])

    def findings(self) -> Iterator[Finding]:
        """Every check, as it is done; where nothing is answered the others are left out."""
        yield from self._address()
        answered = yield from self._first()
        if not answered:
            return
        yield from self._judge() if "judge" in self.roles else ()
        yield self._system()
        yield from self._draws() if "teacher" in self.roles else ()
        yield self._stream()
        yield self._dialect()
        yield from self._pace()
        yield self._price()
        yield self._spent()

    def _ask(self, *requests: Request, at_once: int = 1) -> tuple[list[Answer], float]:
        """Their answers, from a ledger that is thrown away, and the seconds that they took.

        Raises:
            RequestFailed: one can't be answered.
            UserError: nor can others, or it takes too long.
        """
        most = min(at_once, self.endpoint.max_connections)
        with tempfile.TemporaryDirectory() as folder:
            ledger = Ledger(Path(folder) / "ledger.sqlite")
            client = Client(replace(self.endpoint, max_connections=most, timeout=PATIENCE), ledger)
            started = time.monotonic()
            try:
                return asyncio.run(_gather(client, requests)), time.monotonic() - started
            except TimeoutError as error:
                raise UserError(f"no answer came in {PATIENCE:g} s") from error
            finally:
                for row in ledger.bill():
                    self.tokens[0] += row["prompt_tokens"]
                    self.tokens[1] += row["completion_tokens"]
                ledger.close()

    def _address(self) -> Iterator[Finding]:
        """The models that it lists, and whether the one that is asked is among them."""
        url = self.endpoint.urls[0]
        if proxy := proxy_variable(url):
            yield ok("proxy", f"asked through the one that {proxy} names")
        if self.endpoint.capabilities.free:
            return
        listed, why = asyncio.run(_models(self.endpoint))
        named = self.endpoint.model
        if why:
            yield mind("models", f"it lists none ({why})")
        elif named in listed:
            yield ok("models", f"it lists {named} and {len(listed) - 1} more" if len(listed) > 1 else f"{named}")
        elif named != "default":
            close = difflib.get_close_matches(named, listed, 1)
            yield mind("models", f"{named} isn't among those that it lists: {_some(listed)}", _did_you_mean(close))
        elif len(listed) == 1:
            self.endpoint = replace(self.endpoint, model=listed[0])
            yield mind("models", f"{listed[0]}, which is asked here", f"name it: model: {listed[0]}")
        else:
            yield mind("models", f"none is named; it lists {_some(listed)}", "name one: --model, in a recipe model")

    def _first(self) -> Generator[Finding, None, bool]:
        """Whether it answers at all, to a teacher's question, and how soon."""
        role = "teacher" if "teacher" in self.roles else "answers"
        try:
            (answer,), seconds = self._ask(questions.TEACHER)
        except NoRoomToAnswer as error:
            yield fails(role, str(error), "raise max_tokens, or keep it from thinking by extra_body")
            return False
        except MessageRefused as error:
            yield fails(role, f"it refuses a harmless message: {error}", "use another endpoint")
            return False
        except (RequestFailed, UserError) as error:
            yield fails(role, _without(self.endpoint, error))
            return False
        if not answer.text:
            yield fails(role, "it answered with nothing", "try another model")
            return False
        yield ok(role, f"the first answer came in {seconds:.1f} s: {_clipped(answer.text)!r}")
        return True

    def _judge(self) -> Iterator[Finding]:
        """Whether it answers a judge's questions, by log-probabilities or in words, and tells good from bad."""
        try:
            both = [self._ask(*asked)[0] for asked in questions.of_a_judge()]
        except NoRoomToAnswer as error:
            mend = "as a judge it has to be kept from thinking, by extra_body"
            yield fails("judge", str(error), mend)
            return
        except (RequestFailed, UserError) as error:
            yield fails("judge", _without(self.endpoint, error))
            return
        answers = [answer for some in both for answer in some]
        most = max(len(answer.logprobs) for answer in answers)
        if most:
            yield ok("log-probabilities", f"top_logprobs of {most}")
        else:
            yield mind("log-probabilities", "none: a judge's yes or no is read in words, which tells less")
        odds = [[log_odds(answer) for answer in some] for some in both]
        if any(value is None for some in odds for value in some):
            said = next(answer.text for answer in answers if log_odds(answer) is None)
            yield fails("judge", f"it answers neither yes nor no: {_clipped(said)!r}", "use another model")
            return
        good, bad = (sum(value for value in some if value is not None) / len(some) for some in odds)
        if good > bad:
            yield ok("judge", f"it prefers a good reply to a bad one (log-odds {good:.1f} and {bad:.1f})")
        else:
            mend = "see what it can tell: empathic judge controls"
            yield mind("judge", f"it prefers no good reply to a bad one (log-odds {good:.1f} and {bad:.1f})", mend)

    def _system(self) -> Finding:
        """Whether it takes system messages; `empathic read ask` alone uses them."""
        try:
            (answer,), _ = self._ask(questions.SYSTEM)
        except (RequestFailed, UserError) as error:
            return mind("system messages", _without(self.endpoint, error), "only empathic read ask needs them")
        if questions.WORD.lower() in answer.text.lower():
            return ok("system messages", "taken and followed")
        return mind("system messages", f"taken and not followed: {_clipped(answer.text)!r}")

    def _draws(self) -> Iterator[Finding]:
        """Whether a seed gives the same answer again, and another seed another."""
        left_out = self.endpoint.dialect.left_out
        try:
            one, same, other = (self._ask(request)[0][0].text for request in questions.SEEDS)
        except (RequestFailed, UserError) as error:
            yield mind("seed", _without(self.endpoint, error))
            return
        if "seed" in left_out:
            yield mind("seed", "it takes none: asked anew, it answers otherwise")
        elif one == other == same:
            yield mind("seed", "three draws by two seeds are the same", "an answer of no use may come again")
        elif one == same:
            yield ok("seed", "kept: the same one gives the same answer, another another")
        else:
            yield mind("seed", "taken and not kept: asked anew, it answers otherwise")
        if "temperature" in left_out:
            yield mind("temperature", "it takes none, or not ours: its own is used")
        else:
            yield ok("temperature", "taken")

    def _stream(self) -> Finding:
        """Whether it streams; nothing here needs that, but where it does nothing else."""
        if self.endpoint.dialect.streams:
            return ok("streaming", "it answers in streams alone, and is read so")
        try:
            kind, tokens = asyncio.run(_streamed(self.endpoint))
        except Exception as error:
            return mind("streaming", f"none ({_words(error, self.endpoint)})", "nothing here needs it")
        self.tokens = [self.tokens[0] + tokens[0], self.tokens[1] + tokens[1]]
        streams = kind.startswith("text/event-stream")
        return ok("streaming", "taken") if streams else mind("streaming", f"{kind} came", "nothing here needs it")

    def _dialect(self) -> Finding:
        """What it turned out to refuse."""
        told = self.endpoint.dialect.told()
        return mind("refuses", f"it {told}", "asked so") if told else ok("refuses", "nothing that it was asked with")

    def _pace(self) -> Iterator[Finding]:
        """Answers a second, one and four at a time."""
        rates = []
        for count, requests in ((1, questions.PACE[:2]), (_AT_ONCE, questions.PACE[2:])):
            try:
                _, seconds = self._ask(*requests, at_once=count)
            except (RequestFailed, UserError) as error:
                yield mind("pace", f"{count} at a time: {_without(self.endpoint, error)}")
                return
            rates.append(f"{len(requests) / seconds:.2g} answers a second, {count} at a time")
        yield ok("pace", "; ".join(rates))

    def _price(self) -> Finding:
        """Whether its price is known."""
        if self.prices:
            read, written = self.prices
            return ok("price", f"${read:g} a million tokens read, ${written:g} written")
        if self.endpoint.capabilities.free or is_loopback(self.endpoint.urls[0]):
            return ok("price", "none, on this machine")
        mend = "a budget wants teacher.prices: [read, written]"
        return mind("price", f"none is known for {self.endpoint.model}", mend)

    def _spent(self) -> Finding:
        """What this examination took."""
        read, written = self.tokens
        if not read + written:
            return mind("spent", "the server counts no tokens")
        paid = f", ${cost(self.prices, (read, written)):.4f}" if self.prices else ""
        return ok("spent", f"{read:,} tokens read, {written:,} written{paid}")


async def _gather(client: Client, requests: Collection[Request]) -> list[Answer]:
    async with client, asyncio.timeout(PATIENCE):
        return await asyncio.gather(*(client.answer(request, "doctor") for request in requests))


async def _models(endpoint: Endpoint) -> tuple[list[str], str]:
    """The ids of the models that a server lists, or why it lists none."""
    import httpx2

    async with connect(endpoint.urls[0], endpoint.key, 20.0) as server:
        try:
            reply = await server.get("/models", cast_to=httpx2.Response)
            listed = json.loads(reply.content)
        except Exception as error:
            return [], _words(error, endpoint)
    rows = listed.get("data", listed.get("models")) if isinstance(listed, dict) else listed
    rows = rows if isinstance(rows, list) else []
    ids = [str(row.get("id") or row.get("name")) for row in rows if isinstance(row, dict)]
    return ids, "" if ids else "an empty list"


async def _streamed(endpoint: Endpoint) -> tuple[str, tuple[int, int]]:
    """The type of what comes where a stream is asked for, and its tokens; raises whatever goes wrong."""
    import httpx2

    asked = Request(questions.STREAMED, questions.ROOM)
    sent: dict[str, Any] = replace(endpoint.dialect, streams=True).say(body(endpoint, asked, 0))
    async with connect(endpoint.urls[0], endpoint.key, PATIENCE) as server:
        reply = await server.post("/chat/completions", body=sent, cast_to=httpx2.Response)
    _, tokens = read(load(reply.content.decode("utf-8", "replace")))
    return reply.headers.get("content-type", "no type"), tokens


def _words(error: Exception, endpoint: Endpoint) -> str:
    """What went wrong, in the server's words where it has some."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return str(refusal(error.status_code, error.response.text, endpoint.key))
    if isinstance(error, ErrorReply):
        return str(refusal(error.status, error.body, endpoint.key))
    if isinstance(error, openai.APIConnectionError):
        return "it can't be reached"
    return "a web page came" if isinstance(error, WebPage) else str(error) if isinstance(error, NoAnswer) else "garbled"


def _without(endpoint: Endpoint, error: Exception) -> str:
    """What an error says, the address left off, which stands above."""
    return str(error).removeprefix(f"{endpoint.urls[0]}: ")


def _some(names: Collection[str]) -> str:
    shown = list(names)[:_SHOWN]
    return ", ".join(shown) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _did_you_mean(close: list[str]) -> str:
    return f"did you mean {close[0]}?" if close else ""


def _clipped(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else flat[:59] + "…"
