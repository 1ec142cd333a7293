"""The chat API's wire: a request, what determines its answer, and what comes back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from empathic.endpoints.endpoint import Endpoint

Message = dict[str, str]
REFUSED = "content_filter"  # why an answer is none, as the API calls it
IN_WORDS = 8  # tokens for an answer whose probabilities don't come: "The answer is yes" is not one token


@dataclass(frozen=True)
class Request:
    """One chat request, with everything that determines its answer.

    `top_logprobs` above 0 asks for that many log-probabilities of the first token, and where a server has none, for
    the answer in `IN_WORDS` tokens or more. A `temperature` of None is the server's own. `grammar`, in GBNF,
    holds a local model to a form that larger ones keep by themselves; other servers know no such thing.
    """

    messages: list[Message]
    max_tokens: int
    temperature: float | None = 0.0
    top_logprobs: int = 0
    seed: int = 0
    grammar: str = ""


@dataclass(frozen=True)
class Answer:
    """The text of an answer, why it ended ("stop", "length", `REFUSED`), and the first token's log-probabilities."""

    text: str
    finish: str
    logprobs: dict[str, float]


class InvalidResponse(ValueError):
    """An answer that the caller has no use for; says why."""


def ledger_key(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """All that determines an answer."""
    asked = asdict(request)
    if not (endpoint.capabilities.grammar and request.grammar):
        del asked["grammar"]
    if endpoint.extra_body:
        asked["extra_body"] = dict(endpoint.extra_body)
    return {"model": endpoint.identity, **asked}


def body(endpoint: Endpoint, request: Request, seed: int) -> dict[str, Any]:
    """A request as the chat API takes it; the seed is another where an earlier answer was of no use."""
    asked = {
        "model": endpoint.model,
        "messages": request.messages,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": seed,
    }
    if request.temperature is None:
        del asked["temperature"]
    return {**asked, **endpoint.extra_body}


def limit(endpoint: Endpoint, request: Request) -> int:
    """How many tokens an answer may have at most, be it by the request or by what `extra_body` says instead."""
    asked = body(endpoint, request, request.seed)
    found = asked.get("max_completion_tokens", asked["max_tokens"])
    known = found if isinstance(found, int) else request.max_tokens
    return max(known, request.max_tokens, IN_WORDS) if request.top_logprobs else known


def tokens(request: Request) -> int:
    """A request's tokens and at most its answer's, by the rule of thumb of four characters a token."""
    return sum(len(message["content"]) for message in request.messages) // 4 + request.max_tokens
