"""Which of a teacher's replies become a corpus: filters for length, stock phrases, relevance and near-duplicates."""

from __future__ import annotations

from collections import Counter

from empathic.dialogues import Dialogue
from empathic.recipe import Filters
from empathic.teacher.overlap import NearDuplicates
from empathic.text import content, is_stock, length


class ReplyFilter:
    """Lets replies pass, and counts what each filter removed; a reply counts for the first that it fails.

    Args:
        keep: the recipe's `teacher.filters`.
    """

    def __init__(self, keep: Filters) -> None:
        self.keep = keep
        self.removed: Counter[str] = Counter()
        self._near = None if keep.overlap is None else NearDuplicates(keep.overlap)

    def passes(self, dialogue: Dialogue, reply: str) -> bool:
        """Whether a reply is kept; one that is counts as seen for later ones."""
        why = self._fails(dialogue, reply)
        if why:
            self.removed[why] += 1
        return not why

    def _fails(self, dialogue: Dialogue, reply: str) -> str:
        keep = self.keep
        if keep.words and not keep.words[0] <= length(reply) <= keep.words[1]:
            return "words"
        if not keep.stock_phrases and is_stock(reply):
            return "stock_phrases"
        if keep.relevant and not content(reply) & content(f"{dialogue.situation} {dialogue.utterance}"):
            return "relevant"
        if self._near and not self._near.add(reply):
            return "overlap"
        return ""
