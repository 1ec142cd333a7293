"""What one server turned out to take of a request: no two compatible servers take the same parameters.

What it refuses is left out, or said as it wants it, from then on: it is found out once and not for each request.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from empathic.endpoints.refusals import Refusal

_REFUSED = re.compile(
    r"not (?:be )?(?:supported?|accept|permit|allow|available|valid|recogni[sz]ed|enabled|set\b)"
    r"|n't (?:support|accept)|unsupported|unknown|unrecogni[sz]ed|unexpected|forbidden|invalid|deprecated"
    r"|extra inputs|only the default|must be|should be|out of range|not in range|range of|less than|greater than"
    r"|at most|extra_forbidden",
    re.I,
)
_STREAM = re.compile(
    r"only supports? stream|stream(?:ing)? (?:mode |output )?(?:is required|only)|enable the stream"
    r"|non-stream\w*(?: \w+){0,3} (?:not|n't|is) |for non-streaming|requires? (?:\w+ ){0,2}stream"
    r"|\bstream['\"`]? (?:must|should|has to) be (?:set to )?true|stream\W{0,3}true\b[^.]{0,20}required",
    re.I,
)
_MOST = re.compile(
    r"(?:less than or equal to|<=|≤|at most|max(?:imum)?(?: allowed)?(?: value)?(?: is| of)?:?|between 0 and|up to"
    r"|\[0, ?) ?(\d+)",
    re.I,
)
_TAKEN = re.compile(
    r"\b(?<!not )(?<!not a )(?:accepted|allowed|supported|valid|available)\b[^.:]{0,30}(?::|\bare\b)", re.I
)
_LOGPROBS = {"logprobs", "top_logprobs"}
_OURS = {"model", "messages"}  # what no server can do without
_LIMITS = {"max_tokens", "max_completion_tokens"}  # without one, nobody knows what an answer may cost


@dataclass
class Dialect:
    """How one server wants to be spoken to.

    Attributes:
        left_out: parameters that it doesn't take.
        new_name: whether `max_tokens` is `max_completion_tokens` to it.
        top_logprobs: how many log-probabilities of a token it gives at most; None where it refused no number yet.
        streams: whether it answers in streams alone.
        gives_logprobs: whether log-probabilities ever came.
    """

    left_out: set[str] = field(default_factory=set)
    new_name: bool = False
    top_logprobs: int | None = None
    streams: bool = False
    gives_logprobs: bool = False

    def say(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A request as this server takes it."""
        said = dict(asked)
        if self.new_name or "max_completion_tokens" in said:
            limit = said.pop("max_tokens", None)
            said.setdefault("max_completion_tokens", limit)
        if self.top_logprobs is not None and "top_logprobs" in said:
            said["top_logprobs"] = min(said["top_logprobs"], self.top_logprobs)
        if self.streams:
            said |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in said.items() if name not in self.left_out}

    def learn(self, refusal: Refusal, sent: dict[str, Any], extra: Container[str] = ()) -> bool:
        """Whether a refusal of what was sent shows how to say it so that it is taken; later requests are said so.

        Args:
            refusal: what the server said.
            sent: the request.
            extra: names in it that the user chose, which may be words of any refusal, such as `user`.
        """
        said = f"{refusal.said} {refusal.code}"
        if _STREAM.search(said):
            self.streams = True
            return not sent.get("stream")
        if refusal.of_length or not (_REFUSED.search(said) or refusal.names):
            return False
        named = (set(refusal.names & sent.keys()) or _named_in(said, sent, extra)) - _OURS
        if "max_tokens" in named and re.search(
            r"max_completion_tokens|unsupported|not supported|unknown|extra", said, re.I
        ):
            self.new_name = True
            return True
        named -= _LIMITS
        if named & _LOGPROBS and (most := _most(said)) and most < sent.get("top_logprobs", 0):
            self.top_logprobs = most
            return True
        if named & _LOGPROBS:
            named |= _LOGPROBS
        named.discard("stream")
        self.left_out |= named
        return bool(named)

    def told(self) -> str:
        """What is left out or said otherwise, for the user; "" where nothing is."""
        others = sorted(self.left_out - _LOGPROBS)
        parts = [f"takes no {' and no '.join(others)}"] if others else []
        parts += ["gives no log-probabilities"] if self.left_out & _LOGPROBS else []
        parts += [f"gives {self.top_logprobs} log-probabilities at most"] if self.top_logprobs is not None else []
        return " and ".join(parts)


def _named_in(said: str, sent: Iterable[str], extra: Container[str]) -> set[str]:
    """Parameters that a refusal's words are about: those in quotes, else those that stand before a list of others.

    A word without quotes is taken for a name that the user chose only where it can't be one of plain English.
    """
    quoted = {name for name in sent if re.search(rf"[\"'`]{re.escape(name)}(?![\w-])", said)}
    if quoted:
        return quoted
    about = _TAKEN.split(said)[0]
    names = (name for name in sent if "_" in name or name not in extra)
    return {name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", about)}


def _most(said: str) -> int:
    """The number that a refusal gives as the most there may be; 0 where it gives none."""
    found = _MOST.search(said)
    return int(found[1]) if found else 0
