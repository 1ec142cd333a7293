"""What a failed attempt means: another one, another request, or the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from empathic.endpoints import backoff
from empathic.endpoints.answers import ErrorReply, WebPage
from empathic.endpoints.chat_api import Answer
from empathic.endpoints.connection import proxy_variable
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.generator import MessageRefused, NoRoomToAnswer, RequestFailed
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.refusals import Refusal, refusal
from empathic.errors import UserError

_UNREACHED = 3  # attempts after which a server that never answered is taken for absent
_FORBIDDEN = 3  # requests, or attempts at one, after which a server that only ever said 403 means the key
_LONGEST_REFUSED = 4.0  # seconds after a 429 that names none; the pace sees to it that there is room


@dataclass
class Outcome:
    """What came of an attempt.

    `kind` is *answered*, *unusable*, *failed*, or what says nothing about the request: *busy*, and *reworded*, where
    the server wants it said otherwise. `failure` is what it comes to when no
    attempt is left, and `ends` says that none is worth making.
    """

    kind: str
    why: str = ""
    wait: float = 0.0
    answer: Answer | None = None
    failure: type[RequestFailed] = RequestFailed
    ends: bool = False
    tokens: tuple[int, int] = (0, 0)
    cost: float = 0.0


@dataclass
class Standing:
    """What is known of a server from all that it was asked, and what a failure means by that.

    Attributes:
        endpoint: the server's.
        ledger: what it answered in earlier runs.
        reached: whether anything came from it.
        answered: how many answers did.
        forbidden: requests that it forbade (403) before it answered any.
    """

    endpoint: Endpoint
    ledger: Ledger
    reached: bool = False
    answered: int = 0
    forbidden: set[int] = field(default_factory=set)

    @property
    def answers(self) -> bool:
        """Whether it ever answered, in this run or an earlier one: what it refuses now may then concern one message."""
        return self.answered > 0 or self.ledger.has_answers(self.endpoint.identity)

    def outcome(self, error: Exception, sent: dict[str, Any], tried: Counter[str], request: int) -> Outcome:
        """What a failed attempt means for its request.

        Args:
            error: what was raised.
            sent: the request as it was sent.
            tried: attempts at it before, by their outcome's kind.
            request: its number, to know it again by.

        Raises:
            RequestFailed: another attempt would fail alike.
            UserError: so would every other request.
        """
        try:
            return self._outcome(error, sent, tried, request)
        except (RequestFailed, UserError) as told:
            raise told from error

    def _outcome(self, error: Exception, sent: dict[str, Any], tried: Counter[str], request: int) -> Outcome:
        import openai

        where, wait, asked = self.endpoint.urls[0], backoff.jitter(tried["failed"]), 0.0
        if isinstance(error, (openai.APITimeoutError, TimeoutError)):
            return Outcome("failed", f"no answer came in {self.endpoint.timeout:g} s", wait)
        if isinstance(error, openai.APIConnectionError):
            if not self.reached and tried["failed"] + 1 >= _UNREACHED:
                proxy = proxy_variable(where)
                through = f" through the proxy that {proxy} names" if proxy else ""
                raise UserError(f"{where}: the server can't be reached{through}; is it up, and the address right?")
            return Outcome("failed", "the connection broke", wait)
        if isinstance(error, WebPage):
            if not self.answered:
                raise UserError(f"{where}: a web page came, not an answer; {_address(where)}")
            return Outcome("failed", "a web page came, not an answer", wait)
        if isinstance(error, ErrorReply):
            said = refusal(error.status, error.body, self.endpoint.key)
        elif isinstance(error, openai.APIStatusError):
            said = refusal(error.status_code, error.response.text, self.endpoint.key)
            asked = backoff.retry_after(error.response)
        elif isinstance(error, (openai.OpenAIError, ValueError)):
            return Outcome("failed", "the answer was garbled", wait)
        else:
            raise error
        self.reached = True
        self._end(said)
        return self._refused(said, asked, sent, tried, request)

    def _end(self, said: Refusal) -> None:
        """Raise what ends everything: no money, no key, no model, no such address."""
        where, model = self.endpoint.urls[0], self.endpoint.model
        if said.of_money:
            raise UserError(f"{where}: the account has no money left, says the server ({said})")
        if said.status == 401:
            raise UserError(f"{where}: {_key(self.endpoint)} ({said})")
        if said.of_model and not said.of_filter:
            raise UserError(f"{where}: the server knows no model {model!r} there ({said})")
        if said.status in (404, 405):
            raise UserError(f"{where}: {_missing(self.endpoint, said)}")

    def _refused(self, said: Refusal, asked: float, sent: dict[str, Any], tried: Counter[str], request: int) -> Outcome:
        """What a refusal means that others may not meet; the server asked to wait so many seconds."""
        failed = tried["failed"]
        again = Outcome("failed", f"the server answered {_shown(said)}", max(asked, backoff.jitter(failed)))
        if said.of_filter or said.of_length or (said.status == 403 and self.answers):
            raise MessageRefused(f"the server refuses this message ({said})")
        if said.status == 403:
            self.forbidden.add(request)
            if len(self.forbidden) >= _FORBIDDEN or failed + 1 >= _FORBIDDEN:
                raise UserError(f"{self.endpoint.urls[0]}: {_key(self.endpoint)} ({said})")
            return again
        if said.status == 429:
            wait = asked or backoff.named_in(said.said) or backoff.jitter(tried["busy"], _LONGEST_REFUSED)
            return Outcome("busy", f"the server was busy ({said})", wait)
        if said.of_thought:
            raise NoRoomToAnswer(f"the model thinks first ({said})")
        if said.status in (408, 409, 425) or said.status >= 500:
            return again
        if self.endpoint.dialect.learn(said, sent, self.endpoint.extra_body):
            return Outcome("reworded", f"the server answered {_shown(said)}")
        raise RequestFailed(f"the server answered {_shown(said)}")


def _shown(said: Refusal) -> str:
    return f"{said.status} ({said.said})" if said.said else str(said.status)


def _key(endpoint: Endpoint) -> str:
    if endpoint.key in ("", "none"):
        return "the server wants a key; name the variable that holds it in key_env"
    return "the server refused the key; check the variable that key_env names"


def _missing(endpoint: Endpoint, said: Refusal) -> str:
    """A wrong path or a wrong model: what is not there (404)."""
    where = endpoint.urls[0]
    path = urlsplit(where).path.rstrip("/")
    bare = said.said.strip(". ").lower() in ("", "not found", "404 page not found", "404: not found")
    versioned = any(part[:1] == "v" and part[1:2].isdigit() for part in path.split("/"))
    if path.endswith("/completions") or not versioned or said.status == 405 or (bare and endpoint.model == "default"):
        return f"the server has no chat API there ({said}); {_address(where)}"
    if bare:
        return f"the server has no chat API there, or knows no model {endpoint.model!r} ({said})"
    return f"the server knows no model {endpoint.model!r} there ({said})"


def _address(where: str) -> str:
    """How an address might be right."""
    if where.rstrip("/").endswith("/completions"):
        return "leave /chat/completions off the endpoint's address"
    if not urlsplit(where).path.strip("/"):
        return f"most servers have it under /v1: endpoint: {where.rstrip('/')}/v1"
    return "check the endpoint's address, which mostly ends in /v1"
