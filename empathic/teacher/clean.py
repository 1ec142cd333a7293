"""From a teacher's answer to the reply alone; what can't be cleaned with certainty is refused, never trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from empathic.endpoints.chat_api import InvalidResponse
from empathic.teacher import refusals
from empathic.teacher.strategies import DIMENSIONS, MOST
from empathic.text import length

_KIND = r"(?:(?:the|my|a|an|your)\s+)?(?:(?:new|improved|better|revised|rewritten|final|more|empathetic|empathic)\s+)*"
_LABEL = re.compile(rf"^\W*{_KIND}(?:reply|response|answer|version|rewrite)\W*:\W*", re.I)
_OPENS = (
    "sure|certainly|of course|absolutely|ok|here(?:['\u2019]s| is| are)|below is|i(?:['\u2019]ve| have) \\w+|let me"
)
_PREAMBLE = re.compile(rf'^(?:{_OPENS})\b[^\n]*:\s*(?:\n|$|(?=["“]))', re.I)
_DIMENSION = re.compile(rf"^\W*(?:lacking |weakest )?dimension\W*:\W*({'|'.join(DIMENSIONS)})\b[^\n]*\n?", re.I)
_AFTERWORD = re.compile(
    r"\n\s*\W*(?:(?:note|explanation|rationale|changes?|why|dimension|word count)\b[^\n]*:"
    r"|\(?(?:this|the) (?:new |improved |revised )?(?:reply|response|version)\b"
    r"|i (?:improved|added|kept|made|focused)\b|\(\d+ words\)).*",
    re.I | re.S,
)
_QUOTES = {'"': '"', "“": "”", "\u2018": "\u2019", "'": "'", "«": "»", "„": "“", "`": "`"}
_LEFT = {  # what may not be left in a reply, beside what `refusals` finds
    "thinks aloud": r"^\W*(?:ok|okay|alright|hmm+|so|well|first|let me)\b[^.!?]*"
    r"\bthe (?:user|person (?:says|said|feels|is))\b",
    "offers several replies": r"^\W*(?:option|version|reply|response) ?(?:\d|[ab])\b\W",
    "leaves a gap to fill in": r"\[[^\]\n]{1,40}\]|<[^>\n]{1,40}>|\{[^}\n]{1,40}\}",
}


class UncleanReply(InvalidResponse):
    """An answer with no reply in it that can be trusted; says why."""


@dataclass(frozen=True)
class Cleaned:
    """A reply as one may train on it, and the dimension that the teacher says it improved."""

    text: str
    dimension: str | None = None


@lru_cache(maxsize=1024)  # an answer is cleaned to see whether it will do, and again for its reply
def clean(answer: str, picks: bool = False, before: str = "") -> Cleaned:
    """The reply in a teacher's answer, without quotes, labels, preambles, afterwords and markdown.

    Args:
        answer: what the teacher said.
        picks: whether it was asked to name a dimension first.
        before: the reply it was to improve.

    Raises:
        UncleanReply: nothing is left, a dimension is missing, the reply is too long or the old one, or it isn't one.
    """
    text = re.sub(r"\A```\w*\n|\n?```\Z", "", answer.replace("\r\n", "\n").strip()).strip()
    text = _PREAMBLE.sub("", text).strip()
    dimension = None
    if named := _DIMENSION.match(text):
        dimension, text = named[1].lower(), text[named.end() :].strip()
    if picks and dimension is None:
        raise UncleanReply("names no dimension")
    text = _LABEL.sub("", text).strip()
    text = _AFTERWORD.sub("", text).strip()
    text = re.sub(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", r"\2", text, flags=re.S)
    text = re.sub(r"^(?:#{1,6}|>|[-*•])\s+", "", text, flags=re.M)
    text = " ".join(_unquoted(text).split())
    _check(text, before)
    return Cleaned(text, dimension)


def _unquoted(text: str) -> str:
    """Text without the quotes around all of it."""
    while (
        len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1] and text[-1] not in text[1:-1]
    ):
        text = text[1:-1].strip()
    return text


def _check(text: str, before: str) -> None:
    if not re.search(r"\w", text):
        raise UncleanReply("is empty")
    if (words := length(text)) > MOST:
        raise UncleanReply(f"has {words} words, more than {MOST}")
    if before and _bare(text) == _bare(before):
        raise UncleanReply("is the reply that it was to improve")
    for why, pattern in _LEFT.items():
        if re.search(pattern, text, re.I):
            raise UncleanReply(why)
    if why := refusals.fault(text):
        raise UncleanReply(why)


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
