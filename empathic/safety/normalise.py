"""One plain form for what people type: look-alikes, leetspeak, invisible characters, spaced letters and emoji undone.

`reader.js` does the same step by step; the tables are the specification's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")
_LEET = re.compile(r"[a-z0-9@$!|+]+")
_MARKS = "!|+"  # at either end of a word these are no letters
_MEASURE = re.compile(  # 3am, 40mins: no leetspeak
    r"^[0-9]+(?:[ap]m|st|[nr]d|th|[hsmdkgxeaopcf]|[kmg]g|m?l|[cmk]m|ft|lbs?|y[or]|yrs|hrs?|mins?|days?|weeks?|months?"
    r"|years?|eme|er|[gm]b)$"
)
_REPEAT = re.compile(r"([a-z])\1{2,}")
_SPACED = re.compile(r"(^|[^a-z0-9])([a-z](?:[^a-z0-9]{1,3}[a-z]){2,})(?![a-z0-9])")
_STOPS = re.compile(r"[.?!;]+")
_OTHER = re.compile(r"[^a-z0-9.?\u0080-\U0010ffff]+")
_SPACES = re.compile(r" +")
_WORD, _LETTER = 2, 3  # what a word and a one-letter word cost where joined letters are split


class Normaliser:
    """Texts in, plain texts out: lower-case words apart by one space, sentences ended by `.` or `?`."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        """Take the specification's `normal`."""
        self._head, self._tail = int(tables["head"]), int(tables["tail"])
        self._leet = str.maketrans(dict(tables["leet"]))
        self._letters = _Letters(tables["characters"], tables["strip"], tables["symbols"])
        self._vocabulary = {word: _WORD if len(word) > 1 else _LETTER for word in tables["vocabulary"]}
        self._longest = max(map(len, self._vocabulary), default=0)

    def __call__(self, text: str) -> str:
        """The plain form of a text: of its head and tail, where it is longer than both."""
        text = well_formed(text)
        if len(text) > self._head + self._tail:
            text = f"{text[: self._head]}\n{text[-self._tail :]}"
        text = unicodedata.normalize("NFKD", text).lower().translate(self._letters)
        text = _LEET.sub(self._unleet, text)
        text = _REPEAT.sub(lambda found: found[1] * (2 if found[1] in "ls" else 1), text)
        text = _SPACED.sub(lambda found: f"{found[1]} {self._join(found[2])} ", text)
        text = _STOPS.sub(lambda found: " ? " if "?" in found[0] else " . ", text)
        return _SPACES.sub(" ", _OTHER.sub(" ", text)).strip(" ")

    def _unleet(self, found: re.Match[str]) -> str:
        head = found[0].lstrip(_MARKS)
        core = head.rstrip(_MARKS)
        letters = sum("a" <= letter <= "z" for letter in core)
        if not letters or letters == len(core) or _MEASURE.match(core):
            return found[0]
        before, after = found[0][: -len(head)], head[len(core) :]
        return before + core.replace("11", "ll").translate(self._leet) + after

    def _join(self, spaced: str) -> str:
        letters = "".join(letter for letter in spaced if "a" <= letter <= "z")
        parted = self.part(letters)
        return parted if parted is not None else letters if len(letters) > 3 else spaced

    def part(self, letters: str) -> str | None:
        """Letters without spaces, parted into the fewest words of the vocabulary; None where that can't be done."""
        best: list[tuple[int, str] | None] = [(0, ""), *([None] * len(letters))]
        for end in range(1, len(letters) + 1):
            for start in range(max(0, end - self._longest), end):
                before, cost = best[start], self._vocabulary.get(letters[start:end])
                if before is None or cost is None:
                    continue
                now = best[end]
                if now is None or before[0] + cost < now[0]:
                    best[end] = (before[0] + cost, f"{before[1]} {letters[start:end]}")
        found = best[-1]
        return found[1][1:] if found else None


class _Letters(dict[int, str]):
    """What each code point becomes; ranges are filled in as they are met."""

    def __init__(
        self, characters: Mapping[str, str], strip: Sequence[Sequence[int]], symbols: Sequence[Sequence[int]]
    ) -> None:
        super().__init__({ord(character): other for character, other in characters.items()})
        self._ranges = [(low, high, "") for low, high in strip] + [(low, high, " ") for low, high in symbols]

    def __missing__(self, point: int) -> str:
        found = next((other for low, high, other in self._ranges if low <= point <= high), chr(point))
        self[point] = found
        return found


def well_formed(text: str) -> str:
    """A text whose lone surrogates, which are no characters, are replaced; pairs of them become one character."""
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass") if _paired(text) else text
        text = _SURROGATE.sub("\ufffd", text)
    return text


def _paired(text: str) -> bool:
    return re.search("[\ud800-\udbff][\udc00-\udfff]", text) is not None
