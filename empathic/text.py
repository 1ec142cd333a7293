"""Words as people see them: for filters, and for what a reply has in common with its dialogue."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_COMMON = """
about after again all also and any are been before but can did does don't every for from get got had has have her him
his how into it's just last like more much never not now one only our out over she some such than that that's the them
then there they this those until very was were what when where which while who will with would you your
"""
COMMON = frozenset(_COMMON.split())  # too common to say what a text is about


def words(text: str) -> list[str]:
    """The words of a text in lower case, apostrophes straight."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("\u2019", "'"))


_DENSE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")  # Chinese and Japanese
_LOOSE = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Burmese, Khmer


def length(text: str) -> int:
    """How many words a text has.

    Where a script puts no spaces between words, two characters of Chinese and Japanese count as one, and four letters
    of Thai, Lao, Burmese and Khmer.
    """
    rest, dense = _DENSE.subn(" ", text)
    rest, loose = _LOOSE.subn(" ", rest)
    return len(re.findall(r"\S*\w\S*", rest)) + -(-dense // 2) + -(-loose // 4)


def content(text: str) -> set[str]:
    """The words that say what a text is about."""
    return {word for word in words(text) if len(word) > 2} - COMMON


def phrases(text: str, length: int = 5) -> set[tuple[str, ...]]:
    """All runs of so many words."""
    found = words(text)
    return {tuple(found[i : i + length]) for i in range(len(found) - length + 1)}


def _lines(name: str) -> tuple[str, ...]:
    """The lines of one of the package's lists."""
    text = (resources.files("empathic") / "data" / name).read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@cache
def stock_phrases() -> tuple[str, ...]:
    """Phrases that make a reply sound like any other."""
    return _lines("stock_phrases.txt")


def is_stock(text: str) -> bool:
    """Whether a text holds a stock phrase."""
    lower = text.lower().replace("\u2019", "'")
    return any(phrase in lower for phrase in stock_phrases())


@cache
def _advice() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{line})" for line in _lines("advice_patterns.txt")), re.IGNORECASE)


def advises(text: str) -> bool:
    """Whether a text gives advice, by its wording."""
    return bool(_advice().search(text.replace("\u2019", "'")))
