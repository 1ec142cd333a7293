"""The leakage guard: nothing that is tested on may be learnt from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from empathic.dialogues.dialogue import Dialogue


def normal(text: str) -> str:
    """Text with case, Unicode form, punctuation and white space folded away."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[^\w]+", " ", folded).split())


def drop_leaks(dialogues: Sequence[Dialogue]) -> tuple[list[Dialogue], int]:
    """Drop train dialogues that are also test dialogues, by id or by situation and utterance together.

    Returns:
        The dialogues that are left, in order, and how many were dropped.
    """
    tests = [d for d in dialogues if d.split == "test"]
    ids = {d.id for d in tests}
    texts = {(normal(d.situation), normal(d.utterance)) for d in tests}

    def leaks(d: Dialogue) -> bool:
        return d.split == "train" and (d.id in ids or (normal(d.situation), normal(d.utterance)) in texts)

    kept = [d for d in dialogues if not leaks(d)]
    return kept, len(dialogues) - len(kept)
