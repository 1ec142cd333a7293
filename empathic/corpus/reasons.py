"""Why dialogues give a part of the corpus nothing, counted while it is built, so that an empty one says its cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from empathic.corpus.rows import Made, rating
from empathic.dialogues import Dialogue
from empathic.recipe.steps import PARTS, CorpusPart


class Reasons:
    """Counts of dialogues by why they gave a part of the corpus nothing.

    Attributes:
        made: rows of each part, before any filter.
    """

    def __init__(self) -> None:
        self.made: Counter[CorpusPart] = Counter()
        self._passed: dict[CorpusPart, Counter[str]] = {part: Counter() for part in PARTS}

    def add(self, part: CorpusPart, reason: str) -> None:
        """Count a dialogue that gives a part nothing."""
        self._passed[part][reason] += 1

    def watch(self, made: Iterable[Made]) -> Iterator[Made]:
        """Pass rows on, before a filter reads them."""
        for one in made:
            self.made[one.part] += 1
            yield one

    def told(self, part: CorpusPart) -> str:
        """In a line, the commonest first: `12 lack a reply of 'human', 3 have one text in both replies`."""
        found = [f"{count:,} {reason}" for reason, count in self._passed[part].most_common()]
        if self.made[part]:
            found.append(f"{self.made[part]:,} rows were made, and left out by corpus.safety_filter")
        return ", ".join(found) or "there are none"


def of_rating(d: Dialogue, origin: str, wanted: tuple[int, ...] = (3,)) -> str:
    """Why a reply hasn't the rating that is wanted; "" where it has."""
    if origin not in d.replies:
        return lacking(origin)
    given = rating(d, origin)
    if given in wanted:
        return ""
    asked = " or ".join(map(str, wanted))
    return f"have a reply of {origin!r} {'without a rating' if given is None else f'rated {given}'} (wanted: {asked})"


def lacking(origin: str) -> str:
    """That an origin's reply isn't there."""
    return f"lack a reply of {origin!r}"


def of_texts(d: Dialogue, chosen: str, rejected: str) -> str:
    """Why two replies are no pair; "" where they are."""
    for origin in (chosen, rejected):
        if origin not in d.replies:
            return lacking(origin)
    if d.replies[chosen].text == d.replies[rejected].text:
        return f"have one and the same text of {chosen!r} and of {rejected!r}"
    return ""
