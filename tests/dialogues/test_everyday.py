"""What the Everyday corpus is held to: see its datasheet, empathic/data/README.md."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import chain
from typing import Any

import pytest

from empathic.dialogues import formats, sources
from empathic.recipe import Dialogues
from empathic.text import advises, is_stock, phrases, words

SETTINGS = Dialogues(source="everyday")
ROWS: list[dict[str, Any]] = [dict(row) for path in sources.files_of(SETTINGS) for _, row in formats.rows(path)]
FELT = [row for row in ROWS if row["emotion"]]
WHOLE = [row for row in FELT if "targeted" in row]
KINDS = ("short", "direct", "targeted")
REPLIES = {kind: [row[kind] for row in FELT if kind in row] for kind in KINDS}


def _share(test: Any, texts: list[str]) -> float:
    return sum(map(test, texts)) / len(texts)


def test_there_are_enough_of_every_emotion() -> None:
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    counts = Counter(row["emotion"] for row in FELT)
    assert len(counts) == 32
    assert min(counts.values()) >= 180
    assert min(Counter(row["emotion"] for row in WHOLE).values()) >= 64
    assert len(ROWS) - len(FELT) >= 128
    assert sum("turns" in row for row in WHOLE) >= 250


def test_splits_are_the_sources_own_and_validation_is_left_out() -> None:
    found = Counter(d.split for d in sources.load_dialogues(SETTINGS, 42))
    assert found["test"] >= 256
    assert found["validation"] >= 186
    assert found["train"] >= 5700


def test_no_family_of_situations_and_no_near_duplicate_crosses_a_split() -> None:
    sides = defaultdict(set)
    for row in FELT:
        sides[row["family"]].add(row["split"])
    assert [family for family, of in sides.items() if len(of) > 1] == []
    held = [(row["id"], phrases(row["utterance"], 3)) for row in FELT if row["split"] != "train"]
    holders = defaultdict(set)
    for id, of in held:
        for phrase in of:
            holders[phrase].add(id)
    sizes = {id: len(of) for id, of in held}
    for row in FELT:
        if row["split"] == "train":
            mine = phrases(row["utterance"], 3)
            shared = Counter(chain.from_iterable(holders.get(phrase, ()) for phrase in mine))
            for id, count in shared.items():
                assert count / max(1, min(len(mine), sizes[id])) <= 0.5, (row["id"], id)


@pytest.mark.parametrize("kind", KINDS)
def test_replies_are_not_formulaic(kind: str) -> None:
    texts = REPLIES[kind]
    openings = Counter(tuple(words(text)[:3]) for text in texts)
    assert sum(count for _, count in openings.most_common(5)) / len(texts) <= 0.08
    runs = Counter(chain.from_iterable(phrases(text, 5) for text in texts))
    assert runs.most_common(1)[0][1] / len(texts) <= 0.01
    assert _share(is_stock, texts) <= 0.05
    assert _share(advises, texts) <= 0.08


@pytest.mark.parametrize(("kind", "most"), [("short", 0.55), ("direct", 0.45), ("targeted", 0.45)])
def test_some_replies_ask_something(kind: str, most: float) -> None:
    assert 0.2 <= _share(lambda text: "?" in text, REPLIES[kind]) <= most


def test_lengths() -> None:
    assert max(len(words(row["utterance"])) for row in FELT) <= 45
    assert 12 <= sum(len(words(text)) for text in REPLIES["short"]) / len(REPLIES["short"]) <= 18
    assert 20 <= sum(len(words(text)) for text in REPLIES["direct"]) / len(REPLIES["direct"]) <= 30


def test_the_software_claims_no_self_but_where_it_is_asked_about_itself() -> None:
    claims = re.compile(r"\b(i|i'm|i've|i'd|i'll|me|my|mine|myself|we|us|our)\b", re.I)
    unquoted = (re.sub(r'"[^"]*"', "", text.replace("\u2019", "'")) for kind in KINDS for text in REPLIES[kind])
    assert [text for text in unquoted if claims.search(text)] == []
    for row in ROWS:
        assert not re.search(r"\bI(?:'m| am) (a human|a person|human)\b", row["direct"]), row["id"]
