"""The marks around a reply: code fences, data, markdown, lists of one item. Each comes off whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from empathic.teacher import quotes
from empathic.text import length

_FENCE = re.compile(r"\A(`{3,}|~{3,})(?:[\w-]*\n)?((?:(?!\1).)*?)\n?\1\Z", re.S)
_TAG = re.compile(r"\A<(reply|response|answer|output|text|p|b|i|em|strong|q|blockquote)>(.*)</\1>\Z", re.S | re.I)
_MATHS = re.compile(r"\A(?:\$\$?|\\\[|\\\()\s*(\\.*?)\s*(?:\$\$?|\\\]|\\\))\Z", re.S)
_TEX = re.compile(r"\A\\(?:boxed|fbox|text|textbf|textit|emph)\s*\{(.*)\}\Z", re.S)
_LINE_MARK = re.compile(r"^[^\S\n]*(?:#{1,6}|>|[-*•·–—])[^\S\n]+", re.M)  # noqa: RUF001
_RULE = re.compile(r"^[^\S\n]*([-*_=])(?:[^\S\n]*\1){2,}[^\S\n]*$", re.M)  # Markdown's line between paragraphs
_NUMBER = re.compile(r"\A(?:\d{1,2}\.|\(?\d{1,2}\)(?=\s+[^a-z]))\s+")  # "1) is a fine number" is no list
_BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", re.S)
_ITALIC_LINE = re.compile(r"([*_])(?=\S)([^*_]|(?<=\w)_(?=\w))+(?<=\S)\1")
_ITALIC_WITHIN = re.compile(r"(?<=[\w,;:] )\*(?=\S)([^*\n]+)(?<=\S)\*(?!\w)")  # later than at a sentence's beginning
_STAGED = re.compile(  # how stage directions begin in English, whatever their length
    r"(?:\w+ly,? )?(?:nod|sigh|smile|hug|pause|lean|sit|listen|reache?|take|place|put|hold|look|offer|give|squeeze|"
    r"wrap|pat|wait|wink|laugh|chuckle|tilt|shake|breathe|stay|whisper|touche?|slide|hand|pull|pour|kneel|wipe|rub|gaze)"
    r"(?:s|t?ing)\b",
    re.I,
)
_ENDS = re.compile(r"[.!?…。！？।۔؟][\W_]*\Z")  # noqa: RUF001
_FEWEST = 6  # words of a reply in italics; shorter ones are as likely a stage direction
_ABOUT = {"dimension", "role", "type", "language", "strategy"}  # keys of data whose text isn't the reply


class NotText(Exception):
    """An answer that is data, or a stage direction, with no reply in it that stands out."""


def unwrapped(text: str) -> str:
    """A text without one layer of the marks around it.

    Raises:
        NotText: data with no text or several, or a stage direction.
    """
    for form in (_FENCE, _TAG):
        if found := form.match(text):
            return found[2].strip()
    if found := _MATHS.match(text):
        return found[1].strip()
    if (found := _TEX.match(text)) and _is_one_group(found[1]):
        return found[1].strip()
    if text.startswith(("{", '["', "[{")) or (text.startswith('"') and "\\" in text):
        return _data(text)
    return quotes.unquoted(_without_marks(text))


def _without_marks(text: str) -> str:
    """A text without markdown."""
    text = _NUMBER.sub("", _LINE_MARK.sub("", _RULE.sub("", text))).strip()
    if (bold := _BOLD.fullmatch(text)) and bold[2][:1].islower() and not _ENDS.search(bold[2]):
        raise NotText("is a stage direction")
    text = _BOLD.sub(r"\2", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and all(_ITALIC_LINE.fullmatch(line) for line in lines):
        text = "\n".join(line[1:-1] for line in lines)
        if not _is_speech(text):
            raise NotText("is a stage direction")
    return _ITALIC_WITHIN.sub(r"\1", text)


def _is_speech(text: str) -> bool:
    """Whether what stands in italics is said, not done: `I'm so sorry about your dog.`, and not `nods slowly`."""
    told = quotes.unquoted(text)
    return not (_STAGED.match(told) or told[:1].islower()) and bool(_ENDS.search(told)) and length(told) >= _FEWEST


def _is_one_group(text: str) -> bool:
    """Whether every brace in a text is closed in it, so that those around it are a pair."""
    depth = 0
    for mark in text:
        depth += (mark == "{") - (mark == "}")
        if depth < 0:
            return False
    return depth == 0


def _data(text: str) -> str:
    """The one text in JSON; with the dimension in front, as a teacher says it elsewhere, where there is one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if text.startswith('"'):
            return quotes.unquoted(text)
        raise NotText("is data that can't be read") from None
    texts = list(_texts(found))
    said = [value for key, value in texts if key not in _ABOUT]
    if len(said) != 1:
        raise NotText(f"is data with {len(said)} texts in it")
    dimension = next((f"Dimension: {value}\n" for key, value in texts if key == "dimension"), "")
    return dimension + said[0].strip()


def _texts(found: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in data, with the key that it stands under."""
    if isinstance(found, str):
        yield key, found
    elif isinstance(found, dict):
        for name, value in found.items():
            yield from _texts(value, str(name).lower())
    elif isinstance(found, list):
        for value in found:
            yield from _texts(value, key)
