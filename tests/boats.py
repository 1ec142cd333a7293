"""Dialogues of lost boats, for tests that ask a teacher: the first two are to test on."""

from __future__ import annotations

from typing import Any


def boats(count: int) -> list[dict[str, Any]]:
    """So many dialogues, each with a person's reply."""
    return [
        {
            "id": f"d{i}",
            "situation": f"Storm {i} took the boat.",
            "utterance": f"My boat number {i} is at the bottom of the bay.",
            "replies": {"human": f"Well, boat {i} was old."},
            "split": "test" if i < 2 else "train",
        }
        for i in range(count)
    ]
