"""From a teacher's answer to the reply alone; what can't be cleaned with certainty is refused, never trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from empathic.endpoints.chat_api import InvalidResponse
from empathic.teacher import labels, quotes, refusals, wrappings
from empathic.teacher.strategies import DIMENSIONS, MOST
from empathic.text import length

_DIMENSION = re.compile(
    rf"\A\W*(?:lacking |weakest )?dimension\W*:\W*({'|'.join(DIMENSIONS)})\b[^\n]*?"
    r"(?:\n\s*|\Z|[\s,;.|/]+(?=[*_]*(?:(?:new|improved) )?reply[*_]*\s*:))",
    re.I,
)
_DOUBTFUL_MARKS = re.compile(  # among them what may be a stage direction beside a reply: *nods*
    r"```|~~~|\A(?:\*\*|__)|(?:\*\*|__)\Z|\\boxed\b|\*(?=\S)[^*]+(?<=\S)\*|(?<!\w)_(?=\S)[^_]+(?<=\S)_(?!\w)"
)
_SECOND_ITEM = re.compile(r"^\W*1[.)]\s.*\n\W*2[.)]\s", re.M | re.S)
_LEFT = {  # what may not be left in a reply, beside what `refusals` finds
    "thinks aloud": r"^\W*(?:ok|okay|alright|hmm+|so|well|first|let me)\b[^.!?]*"
    r"\bthe (?:user|person (?:says|said|feels|is))\b",
    "offers several replies": r"^\W*(?:option|version|reply|response) ?(?:\d|[ab])\b\W"
    r"|[.!?][\"”]?\s(?:or|alternatively)\s?:",
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
    text, dimension = answer.replace("\r\n", "\n").strip(), None
    before_layer = None
    while text != before_layer:  # layer by layer, since any may stand in any other
        before_layer = text
        text, named = _layer_off(text)
        dimension = dimension or named
        if text == before_layer:
            text = " ".join(text.split())  # a reply is one line, and cleaning that again finds nothing more
    if picks and dimension is None:
        raise UncleanReply("names no dimension")
    _check(text, before)
    return Cleaned(text, dimension)


def _layer_off(text: str) -> tuple[str, str | None]:
    """A text without the outermost of what is around its reply, and a dimension that stood there."""
    if _SECOND_ITEM.search(text):
        raise UncleanReply("offers several replies")
    if text.startswith(("{", "[{")) and (refused := refusals.by_rule(text))[1]:
        raise UncleanReply(refused[0])  # an error's text would look like a reply once it is out of its data
    try:
        text = wrappings.unwrapped(text)
    except wrappings.NotText as error:
        raise UncleanReply(str(error)) from None
    text = labels.PREAMBLE.sub("", text).strip()
    dimension = None
    if named := _DIMENSION.match(text):
        dimension, text = named[1].lower(), text[named.end() :].strip()
    text = labels.LABEL.sub("", text).strip()
    return labels.AFTERWORD.sub("", text).strip(), dimension


def _check(text: str, before: str) -> None:
    if not re.search(r"\w", text):
        raise UncleanReply("is empty")
    if (words := length(text)) > MOST:
        raise UncleanReply(f"has {words} words, more than {MOST}")
    if before and _bare(text) == _bare(before):
        raise UncleanReply("is the reply that it was to improve")
    if quotes.is_odd(text):
        raise UncleanReply("has a quotation mark without its fellow")
    if _DOUBTFUL_MARKS.search(text):
        raise UncleanReply("has marks left that can't be taken off")
    if labels.LEFT.search(text):
        raise UncleanReply("has a label left")
    for why, pattern in _LEFT.items():
        if re.search(pattern, text, re.I):
            raise UncleanReply(why)
    if why := refusals.fault(text):
        raise UncleanReply(why)


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
