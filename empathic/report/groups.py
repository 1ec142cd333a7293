"""Win rates on parts of the test dialogues: by the emotion that they are about, and by how long the message is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from empathic.stats.win_rate import win_rate

_FEWEST = 4  # dialogues in a group of its own; smaller ones are put together
OTHERS = "others"


def by_emotion(verdicts: Iterable[dict[str, Any]], emotions: Mapping[str, str]) -> list[dict[str, Any]]:
    """Win rates by emotion, the most frequent first; emotions of fewer than four dialogues are together the last.

    Args:
        verdicts: rows of a run's `verdicts/A-B.jsonl`.
        emotions: of the dialogues, by id.
    """
    rows = list(verdicts)
    counts = Counter(emotions[row["id"]] for row in rows if emotions[row["id"]])
    kept = [name for name, count in counts.most_common() if count >= _FEWEST]
    groups = {row["id"]: name if (name := emotions[row["id"]]) in kept else OTHERS for row in rows}
    return _rates(rows, groups, [*kept, OTHERS]) if kept else []


def by_length(verdicts: Iterable[dict[str, Any]], utterances: Mapping[str, str]) -> list[dict[str, Any]]:
    """Win rates on the shorter, middle and longer third of the messages, by words."""
    rows = list(verdicts)
    words = {row["id"]: len(utterances[row["id"]].split()) for row in rows}
    ordered = sorted(words.values())
    if not ordered:
        return []
    short, middle = ordered[(len(ordered) - 1) // 3], ordered[2 * (len(ordered) - 1) // 3]
    names = [f"up to {short} words", f"{short + 1} to {middle} words", f"more than {middle} words"]
    return _rates(rows, {id: names[(count > short) + (count > middle)] for id, count in words.items()}, names)


def _rates(rows: list[dict[str, Any]], groups: Mapping[str, str], order: list[str]) -> list[dict[str, Any]]:
    found = []
    for group in order:
        of = [row for row in rows if groups[row["id"]] == group]
        for measure in ("behaviours", "agreed"):
            if outcomes := [row["outcomes"][measure] for row in of if measure in row["outcomes"]]:
                found.append({"group": group, **win_rate(of[0]["a"], of[0]["b"], measure, outcomes).to_row()})
    return found
