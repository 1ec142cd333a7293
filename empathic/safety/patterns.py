"""What the hand-written patterns find in a plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MASK = " xx "  # stands for what is an idiom or negated


@dataclass(frozen=True)
class Hits:
    """What was found: the patterns' numbers, for the weights, and the kind of one that decides alone."""

    numbers: tuple[int, ...]
    decided: str | None


class Patterns:
    """The patterns of a specification: idioms and negations first, then each pattern on what is left.

    The numbers of hits: 0 an idiom, 1 a negation, 2 times gone by, 3 now, 4 letters run together, 5 another script or
    language, then one a pattern.
    """

    GENERAL = 6

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Take the specification's `patterns`."""
        self._idioms, self._negated, self._past, self._now, self._squashed = (
            re.compile(spec[name], re.ASCII) for name in ("idioms", "negated", "past", "now", "squashed")
        )
        self._foreign = tuple(spec["foreign"])
        self._all = [(kind, alone, re.compile(pattern, re.ASCII)) for kind, alone, pattern in spec["list"]]

    def __len__(self) -> int:
        """How many numbers there are."""
        return self.GENERAL + len(self._all)

    def find(self, text: str) -> Hits:
        """The hits in a plain text."""
        hits: list[int] = []
        for number, pattern in enumerate((self._idioms, self._negated)):
            text, count = pattern.subn(MASK, text)
            if count:
                hits.append(number)
        past, now = self._past.search(text) is not None, self._now.search(text) is not None
        hits += [2] * past + [3] * now
        decided = None
        run_together = text.replace(" ", "")
        if self._squashed.search(run_together):
            hits.append(4)
            decided = "self"
        if any(phrase in run_together for phrase in self._foreign):
            hits.append(5)
            decided = "self"
        first = None
        for number, (kind, alone, pattern) in enumerate(self._all, self.GENERAL):
            if pattern.search(text):
                hits.append(number)
                first = first or (kind if alone else None)
        decided = first or decided
        return Hits(tuple(hits), None if past and not now else decided)
