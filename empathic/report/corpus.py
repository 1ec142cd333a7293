"""What there was to learn from: a run's corpus, by the origin of its replies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from empathic import files
from empathic.run import dialogues_of

ALL = "all"
_PARTS = ("prompt", "completion", "chosen", "rejected")
_STEPS = ("sft", "preferences")


def by_origin(run: Path) -> list[dict[str, Any]]:
    """How much there is of each origin, and how long it is; the last row is of all together, where they are several.

    Args:
        run: its directory, with `corpus/` and `dialogues.jsonl`.

    Returns:
        Rows `origin, sft, preferences, prompt, completion, chosen, rejected, emotions`: how many SFT examples and
        preference pairs, the mean words of each part of them (None where there is none), and how many emotions the
        dialogues are about. The origin of a pair is that of the reply chosen.

    Raises:
        UserError: a file is missing.
    """
    emotions = {d.id: d.emotion for d in dialogues_of(run, "train")}
    found: dict[str, _Counts] = {}
    total = _Counts()
    for step in _STEPS:
        for row in files.read_jsonl(run / "corpus" / f"{step}.jsonl"):
            for counts in (found.setdefault(row["origin"], _Counts()), total):
                counts.add(step, row, emotions.get(row["id"], ""))
    rows = [counts.row(origin) for origin, counts in found.items()]
    return rows if len(rows) == 1 else [*rows, total.row(ALL)]


class _Counts:
    """One origin's rows, counted as they pass by."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.texts: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.emotions: set[str] = set()

    def add(self, step: str, row: dict[str, Any], emotion: str) -> None:
        self.rows[step] += 1
        for part in _PARTS:
            if part in row:
                self.texts[part] += 1
                self.words[part] += sum(len(message["content"].split()) for message in row[part])
        if emotion:
            self.emotions.add(emotion)

    def row(self, origin: str) -> dict[str, Any]:
        means = {p: round(self.words[p] / self.texts[p], 1) if self.texts[p] else None for p in _PARTS}
        return {"origin": origin, **{s: self.rows[s] for s in _STEPS}, **means, "emotions": len(self.emotions)}
