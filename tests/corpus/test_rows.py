from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from empathic.corpus import direct, improved, rows
from empathic.dialogues import Dialogue, Reply
from empathic.errors import UserError
from empathic.recipe import Method


def _many(count: int) -> Iterator[Dialogue]:
    for i in range(count):
        said = {"human": Reply(f"Oh no, {i}."), "targeted": Reply(f"Boat {i}, all gone."), "improved": Reply(f"{i}!")}
        yield Dialogue(f"d{i}", f"My boat {i} sank.", situation=f"Storm {i}.", replies=said, split="train")


@pytest.mark.parametrize(
    ("build", "method"),
    [(direct.build, Method(situations=True)), (improved.build, Method(name="llm-improved"))],
)
@pytest.mark.slow
def test_a_large_corpus_needs_no_more_memory_than_a_small_one(build, method: Method, tmp_path: Path) -> None:
    peaks = []
    for count in (1000, 10_000):
        tracemalloc.start()
        counts = rows.write_corpus(build(lambda count=count: _many(count), method, 42), tmp_path / str(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert counts["preferences"] > 0.4 * count
    assert peaks[1] < peaks[0] + 1_000_000, "some 60 bytes a dialogue are for drawing lots; a dialogue takes 1,000"


def test_a_corpus_that_comes_to_nothing_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no preference pair"):
        rows.write_corpus(iter([rows.Made("sft", "t", {"id": "a"})]), tmp_path / "corpus")
    assert not list((tmp_path / "corpus").iterdir())
