"""The leakage guard: nothing that is tested on may be learnt from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from empathic.dialogues.dialogue import Dialogue

_SHAPES = re.compile("[\ufe00-\ufe0f\u200b-\u200d]")  # how a character is drawn, not which it is


def normal(text: str) -> str:
    """Text with case, Unicode form, punctuation and white space folded away; without any word, its signs alone.

    Marks that are part of a letter stay: without its vowel signs a word of Hindi is another.
    """
    folded = _SHAPES.sub("", unicodedata.normalize("NFKC", text).casefold())
    if words := re.findall(r"\w+", folded) if folded.isascii() else _words(folded):
        return " ".join(words).replace("_", " ").strip() or folded
    signs = "".join(c for c in folded if unicodedata.category(c)[0] == "S")
    return signs or "".join(folded.split())


def _words(text: str) -> list[str]:
    kept = (c if c.isalnum() or c == "_" or unicodedata.category(c)[0] == "M" else " " for c in text)
    return [word for word in "".join(kept).split() if any(c.isalnum() for c in word)]


class LeakageFilter:
    """Lets dialogues pass, but for those of train that are tested on: by id, or by situation and utterance together.

    Args:
        dialogues: all of them, of which those of test are looked at.
    """

    def __init__(self, dialogues: Iterable[Dialogue]) -> None:
        self.dropped = 0
        self._ids: set[int] = set()
        self._texts: set[int] = set()
        for d in dialogues:
            if d.split == "test":
                self._ids.add(hash(d.id))
                self._texts.add(_text(d))

    def passes(self, d: Dialogue) -> bool:
        """Whether a dialogue may stay."""
        leaks = d.split == "train" and (hash(d.id) in self._ids or _text(d) in self._texts)
        self.dropped += leaks
        return not leaks


def _text(d: Dialogue) -> int:
    return hash((normal(d.situation), normal(d.utterance)))
