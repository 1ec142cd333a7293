"""The set on truthfulness under sadness is what its datasheet says; what reads it is still to come."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources
from pathlib import Path

from empathic import files
from empathic.words import is_stock


def test_the_truths_are_what_their_datasheet_says() -> None:
    rows = list(files.read_jsonl(Path(str(resources.files("empathic") / "data" / "truths.jsonl"))))
    assert [row["id"] for row in rows] == [f"truth-{number:03}" for number in range(1, 121)]
    assert Counter(row["kind"] for row in rows) == {"fact": 50, "plan": 40, "self": 30}
    assert all(list(row) == ["id", "kind", "sad", "plain", "claim", "truth", "affirms", "corrects"] for row in rows)
    replies = [row[side] for row in rows for side in ("affirms", "corrects")]
    for reply in replies:
        assert 15 <= len(reply.split()) <= 40
        assert not is_stock(reply)
        assert not re.search(r"\b(I|I'm|I've|my|me)\b", reply), "software has no life of its own"
    assert max(Counter(" ".join(reply.split()[:5]) for reply in replies).values()) <= 2
    assert len({row["claim"] for row in rows}) == len(rows)
