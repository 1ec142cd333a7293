"""What a server says when it refuses, in all the shapes that it comes in, and what it means."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_LONGEST = 300  # characters of a server's words that are shown
_MONEY = re.compile(
    r"insufficient[\W_]+(?:\w+[\W_]+){0,2}?(?:balance|quota|credits?|funds?|money)|credit balance is too low"
    r"|out of credits|requires more credits|(?:billing[\W_]hard|spend\w*|credit|monthly)[\W_]limit|余额不足|欠费",
    re.I,
)
_KEY_LIMIT = re.compile(r"key[\W_]limit[\W_]exceeded", re.I)  # of requests where the status is 429, else of money
_FILTER = re.compile(
    r"content[\W_]?(?:filter|management|policy|moderation|exists risk)|moderat|flagged|safety (?:system|policy|filter)"
    r"|policy[\W_]violation|data[\W_]?inspection|inappropriate content|sensitive (?:content|words?)|敏感|usage polic",
    re.I,
)
_LENGTH = re.compile(
    r"context[\W_](?:length|window|size)|maximum context|exceeds? (?:\w+ ){0,3}context|too many (?:input )?tokens"
    r"|(?:prompt|input|message|request) (?:is |are )?too (?:long|large)",
    re.I,
)
_MODEL = re.compile(
    r"model[^.:]{0,80}(?:not found|(?:not|n't) exist|no longer|been (?:decommissioned|deprecated|retired))"
    r"|model_not_found|(?:unknown|invalid|no such|unsupported|not a valid) model\b|no models? loaded",
    re.I,
)
_THOUGHT = re.compile(r"could not finish the message because max_tokens", re.I)


@dataclass(frozen=True)
class Refusal:
    """A refusal, taken apart.

    Attributes:
        status: of HTTP, or as an error's body names it.
        said: the server's own words on one line; "" where it says nothing.
        code: its codes and types, for programs.
        names: parameters that it points at.
    """

    status: int
    said: str = ""
    code: str = ""
    names: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.status}: {self.said}" if self.said else str(self.status)

    @property
    def of_money(self) -> bool:
        """Whether the account is empty."""
        empty = self._matches(_MONEY) or (self.status != 429 and self._matches(_KEY_LIMIT))
        return self.status == 402 or (empty and not self.of_filter)

    @property
    def of_filter(self) -> bool:
        """Whether this message, and not others, is one that the server won't have."""
        return 400 <= self.status < 500 and self.status not in (401, 404, 429) and self._matches(_FILTER)

    @property
    def of_length(self) -> bool:
        """Whether this message is too long."""
        return self.status in (400, 413, 422) and self._matches(_LENGTH)

    @property
    def of_model(self) -> bool:
        """Whether the server knows no such model."""
        return self.status in (400, 403, 404, 422) and self.names <= {"model", "body"} and self._matches(_MODEL)

    @property
    def of_thought(self) -> bool:
        """Whether thoughts took all the tokens that the model may write."""
        return self.status == 400 and self._matches(_THOUGHT)

    def _matches(self, pattern: re.Pattern[str]) -> bool:
        return bool(pattern.search(f"{self.said} {self.code}"))


def refusal(status: int, body: Any, key: str = "") -> Refusal:
    """A refusal from what came with it.

    Args:
        status: of HTTP.
        body: text, or the JSON value in it.
        key: what is not to be shown, though the server does.
    """
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            body = re.sub(r"<(?:script|style).*?</(?:script|style)>|<[^>]*>", " ", body, flags=re.S | re.I)
    words = list(_words(body))
    said = " ".join(" ".join(dict.fromkeys(words)).split()).encode("utf-8", "replace").decode()
    if key and key != "none":
        said = said.replace(key, "…")
    clipped = said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"
    found = list(_fields(body))
    code = " ".join(str(value) for name, value in found if name in ("code", "type") and isinstance(value, str))
    names = {str(value) for name, value in found if name == "param" and isinstance(value, str)}
    names |= {str(part) for name, value in found if name == "loc" and isinstance(value, list) for part in value}
    return Refusal(status, clipped, code, frozenset(names))


def _words(body: Any, depth: int = 0) -> Any:
    """What is said for people in a body: strings, and those of messages, details and errors within."""
    if isinstance(body, str):
        yield body
    elif depth > 6:
        return
    elif isinstance(body, list):
        for one in body[:3]:
            yield from _words(one, depth + 1)
    elif isinstance(body, dict):
        place = [str(part) for part in body["loc"] if part != "body"] if isinstance(body.get("loc"), list) else []
        where = f"{'.'.join(place)}: " if place else ""
        for name in ("error", "errors", "message", "detail", "msg", "error_msg", "reason", "raw", "metadata"):
            for words in _words(body.get(name), depth + 1):
                yield where + words


def _fields(body: Any, depth: int = 0) -> Any:
    """Every field of a body and of what is in it."""
    if isinstance(body, str) and body.lstrip()[:1] in ("{", "["):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return
    if depth > 6:
        return
    if isinstance(body, list):
        for one in body:
            yield from _fields(one, depth + 1)
    elif isinstance(body, dict):
        for name, value in body.items():
            yield name, value
            if name != "input":  # FastAPI gives back what it was sent
                yield from _fields(value, depth + 1)
