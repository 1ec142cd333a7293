"""What the dense first edition of Everyday is held to."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from empathic.text import advises, content, is_stock, phrases, stock_phrases, words

ROOT = Path(__file__).parents[2]
FILE = ROOT / "empathic/data/everyday/dense.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
KEYS = ["id", "emotion", "situation", "utterance", "ordinary", "direct", "targeted", "dimension", "split"]
EMPATHETIC = [row[kind] for row in ROWS for kind in ("direct", "targeted")]


def _share(test) -> float:
    return sum(map(test, EMPATHETIC)) / len(EMPATHETIC)


def test_rows_ids_and_splits() -> None:
    assert len(ROWS) == 256
    assert all(list(row) == KEYS and all(row.values()) for row in ROWS)
    assert len({row["id"] for row in ROWS}) == 256
    assert set(Counter(row["emotion"] for row in ROWS).values()) == {8}
    assert Counter(row["split"] for row in ROWS) == {"train": 192, "test": 64}
    assert set(Counter(row["emotion"] for row in ROWS if row["split"] == "test").values()) == {2}
    assert {row["dimension"] for row in ROWS} == {"cognitive", "affective", "compassionate"}


def test_the_replies_do_not_open_alike() -> None:
    openings = Counter(tuple(words(text)[:3]) for text in EMPATHETIC)
    assert sum(count for _, count in openings.most_common(5)) / len(EMPATHETIC) <= 0.10


def test_stock_phrases_and_unsolicited_advice_are_rare() -> None:
    assert len(stock_phrases()) > 25
    assert _share(is_stock) <= 0.12
    assert _share(advises) <= 0.08


def test_the_wording_is_as_varied_as_peoples() -> None:
    pairs = [pair for text in EMPATHETIC for pair in zip(words(text), words(text)[1:], strict=False)][:5500]
    assert len(set(pairs)) / len(pairs) >= 0.72


def test_a_third_or_so_asks_something() -> None:
    assert 0.25 <= _share(lambda text: "?" in text) <= 0.45


def test_targeted_replies_are_about_28_words() -> None:
    lengths = [len(words(row["targeted"])) for row in ROWS]
    assert 26 <= sum(lengths) / len(lengths) <= 30
    assert sum(20 <= n <= 36 for n in lengths) / len(lengths) >= 0.9
    assert max(lengths) <= 97


def test_no_two_dialogues_share_a_text() -> None:
    texts = []
    for row in ROWS:
        for kind in ("situation", "utterance", "ordinary", "direct", "targeted"):
            texts.append((row["id"], phrases(row[kind])))
    for (one, a), (two, b) in combinations(texts, 2):
        if one != two and a & b:
            assert len(a & b) / len(a | b) < 0.3, (one, two)


@pytest.mark.parametrize("kind", ["direct", "targeted"])
def test_each_reply_picks_up_a_word_of_its_own_dialogue(kind: str) -> None:
    for row in ROWS:
        assert content(row["situation"] + " " + row["utterance"]) & content(row[kind]), row["id"]


def test_the_software_claims_no_self() -> None:
    claims = re.compile(r"\b(i|i'm|i've|i'd|i'll|me|my|mine|myself|we|us|our)\b", re.I)
    assert [text for text in EMPATHETIC if claims.search(text)] == []
