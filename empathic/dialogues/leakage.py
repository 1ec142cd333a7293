"""The leakage guard: nothing that is tested on may be learnt from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from empathic.dialogues.dialogue import Dialogue


def normal(text: str) -> str:
    """Text with case, Unicode form, punctuation and white space folded away."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[^\w]+", " ", folded).split())


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
