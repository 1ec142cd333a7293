"""What there was to learn from: a run's corpus, by the origin of its replies."""

from __future__ import annotations

from collections import Counter
from typing import Any

from empathic import files
from empathic.recipe.steps import PARTS
from empathic.run import Run

ALL = "all"
_TEXTS = ("prompt", "completion", "chosen", "rejected")


def by_origin(run: Run) -> list[dict[str, Any]]:
    """How much there is of each origin, and how long it is; the last row is of all together, where they are several.

    Args:
        run: whose corpus and dialogues are there.

    Returns:
        Rows `origin, sft, preferences, prompt, completion, chosen, rejected, emotions`: how many SFT examples and
        preference pairs, the mean words of each part of them (None where there is none), and how many emotions the
        dialogues are about. The origin of a pair is that of the reply chosen.

    Raises:
        UserError: a file is missing.
    """
    emotions = {d.id: d.emotion for d in run.each_dialogue("train")}
    found: dict[str, _Counts] = {}
    total = _Counts()
    for part in PARTS:
        for row in files.read_jsonl(run.corpus(part)):
            for counts in (found.setdefault(row["origin"], _Counts()), total):
                counts.add(part, row, emotions.get(row["id"], ""))
    rows = [counts.row(origin) for origin, counts in found.items()]
    return rows if len(rows) == 1 else [*rows, total.row(ALL)]


class _Counts:
    """One origin's rows, counted as they pass by."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.texts: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.emotions: set[str] = set()

    def add(self, part: str, row: dict[str, Any], emotion: str) -> None:
        self.rows[part] += 1
        for key in _TEXTS:
            if key in row:
                self.texts[key] += 1
                self.words[key] += sum(len(message["content"].split()) for message in row[key])
        if emotion:
            self.emotions.add(emotion)

    def row(self, origin: str) -> dict[str, Any]:
        means = {p: round(self.words[p] / self.texts[p], 1) if self.texts[p] else None for p in _TEXTS}
        return {"origin": origin, **{s: self.rows[s] for s in PARTS}, **means, "emotions": len(self.emotions)}
