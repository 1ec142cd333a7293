"""Which of a teacher's replies become a corpus: filters for length, stock phrases, relevance and near-duplicates."""

from __future__ import annotations

from collections import Counter

from empathic.dialogues import Dialogue
from empathic.recipe import Filters
from empathic.text import content, is_stock, phrases, words


class ReplyFilter:
    """Lets replies pass, and counts what each filter removed; a reply counts for the first that it fails.

    Args:
        keep: the recipe's `teacher.keep`.
    """

    def __init__(self, keep: Filters) -> None:
        self.keep = keep
        self.removed: Counter[str] = Counter()
        self._seen: dict[tuple[str, ...], list[int]] = {}
        self._sizes: list[int] = []

    def passes(self, dialogue: Dialogue, reply: str) -> bool:
        """Whether a reply is kept; one that is counts as seen for later ones."""
        why = self._fails(dialogue, reply)
        if why:
            self.removed[why] += 1
        return not why

    def _fails(self, dialogue: Dialogue, reply: str) -> str:
        keep = self.keep
        if keep.words and not keep.words[0] <= len(words(reply)) <= keep.words[1]:
            return "words"
        if not keep.stock_phrases and is_stock(reply):
            return "stock_phrases"
        if keep.relevant and not content(reply) & content(f"{dialogue.situation} {dialogue.utterance}"):
            return "relevant"
        if keep.overlap is not None and self._overlap(reply) > keep.overlap:
            return "overlap"
        return ""

    def _overlap(self, reply: str) -> float:
        """The largest Jaccard overlap of five-word phrases with an earlier reply; the reply is then an earlier one."""
        own = phrases(reply)
        shared = Counter(earlier for phrase in own for earlier in self._seen.get(phrase, ()))
        most = max((n / (len(own) + self._sizes[earlier] - n) for earlier, n in shared.items()), default=0.0)
        for phrase in own:
            self._seen.setdefault(phrase, []).append(len(self._sizes))
        self._sizes.append(len(own))
        return most
