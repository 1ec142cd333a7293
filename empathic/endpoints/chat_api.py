"""The chat API's wire: a request, what determines its answer, and what comes back."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from empathic.endpoints.endpoint import Endpoint

Message = dict[str, str]
IN_WORDS = 8  # tokens for an answer whose probabilities don't come: "The answer is yes" is not one token


@dataclass(frozen=True)
class Request:
    """One chat request, with everything that determines its answer.

    `top_logprobs` above 0 asks for that many log-probabilities of the first token, and where a server has none, for
    the answer in `IN_WORDS` tokens or more. `grammar`, in llama.cpp's GBNF,
    holds a local model to a form that larger ones keep by themselves; other servers know no such thing.
    """

    messages: list[Message]
    max_tokens: int
    temperature: float = 0.0
    top_logprobs: int = 0
    seed: int = 0
    grammar: str = ""


@dataclass(frozen=True)
class Answer:
    """The text of an answer, why it ended ("stop" or "length"), and the first token's log-probabilities."""

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
    return {"model": endpoint.identity, **asked}


def body(endpoint: Endpoint, request: Request, seed: int) -> dict[str, Any]:
    """A request as the chat API takes it; the seed is another where an earlier answer was of no use."""
    return {
        "model": endpoint.model,
        "messages": request.messages,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": seed,
    }


def without(asked: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """A request without the parameters that a server turned out not to take, `max_tokens` under its newer name."""
    left = {name: value for name, value in asked.items() if name not in names}
    if "max_tokens" in names & asked.keys():
        left["max_completion_tokens"] = asked["max_tokens"]
    return left


def not_taken(said: str) -> set[str]:
    """Which of our parameters a refusal says the server doesn't take; no two compatible servers take the same ones."""
    if not re.search(
        r"not supported|unsupported|unknown|unrecogni[sz]ed|unexpected|not permitted|forbidden", said, re.I
    ):
        return set()
    names = {name for name in ("logprobs", "top_logprobs", "max_tokens", "seed") if re.search(rf"\b{name}\b", said)}
    return names | ({"logprobs", "top_logprobs"} if "logprobs" in names or "top_logprobs" in names else set())


def read(reply: Any, scored: bool = False) -> tuple[Answer, tuple[int, int]]:
    """The answer in a reply of the chat API, and the tokens read and written for it.

    Raises:
        InvalidResponse: it holds none.
    """
    choice = (getattr(reply, "choices", None) or [None])[0]
    if choice is None or choice.message is None:
        raise InvalidResponse("the answer was garbled")
    content = getattr(choice.logprobs, "content", None) if scored else None
    first = getattr(content[0], "top_logprobs", None) if content else None
    answer = Answer(
        text=(choice.message.content or "").strip(),
        finish=choice.finish_reason or "stop",
        logprobs={token.token: token.logprob for token in first or []},
    )
    usage = reply.usage
    return answer, (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)


def tokens(request: Request) -> int:
    """A request's tokens and at most its answer's, by the rule of thumb of four characters a token."""
    return sum(len(message["content"]) for message in request.messages) // 4 + request.max_tokens
