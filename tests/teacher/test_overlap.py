"""The overlap filter decides as a comparison of each reply with each does, in a time that doesn't grow so."""

from __future__ import annotations

import random

import pytest

from empathic.teacher import overlap
from empathic.teacher.overlap import NearDuplicates, bands
from empathic.text import phrases


def _exact(replies: list[str], threshold: float) -> list[bool]:
    """Whether each reply is kept, each held against all that were."""
    kept: list[set[tuple[str, ...]]] = []
    found = []
    for reply in replies:
        own = phrases(reply)
        found.append(all(len(own & one) <= threshold * len(own | one) for one in kept) or not own)
        if found[-1]:
            kept.append(own)
    return found


def _replies(count: int) -> list[str]:
    """Replies with common openings; half are an earlier one with some of its words changed."""
    dice = random.Random(3)
    words = [f"word{n}" for n in range(300)]
    openings = [" ".join(dice.choice(words) for _ in range(9)) for _ in range(8)]
    found: list[str] = []
    for number in range(count):
        if number % 2 and dice.random() < 0.7:
            text = dice.choice(found).split()
            for _ in range(dice.randint(0, 3)):
                text[dice.randrange(len(text))] = dice.choice(words)
            found.append(" ".join(text))
        else:
            found.append(f"{dice.choice(openings)} {' '.join(dice.choice(words) for _ in range(dice.randint(0, 14)))}")
    return [*found, "Too short.", "Too short."]


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.3, 0.5, 0.8, 1.0])
def test_decisions_are_those_of_comparing_each_with_each(threshold: float) -> None:
    replies = _replies(1500)
    near = NearDuplicates(threshold)
    want = _exact(replies, threshold)
    assert [near.add(reply) for reply in replies] == want
    if threshold < 1:
        assert 0.02 < want.count(False) / len(want) < 1


@pytest.mark.parametrize("threshold", [0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0])
def test_a_pair_at_the_threshold_is_missed_once_in_a_thousand_at_most(threshold: float) -> None:
    count, values = bands(threshold)
    assert (1 - threshold**values) ** count <= overlap.MISSED
    assert count * values <= 256


def test_a_reply_that_was_dropped_drops_no_other() -> None:
    words = [f"w{n}" for n in range(24)]
    chain = [" ".join(words[start : start + 16]) for start in (0, 4, 8)]  # each is close to the next alone
    near = NearDuplicates(0.4)
    assert [near.add(reply) for reply in chain] == [True, False, True]


def test_comparisons_grow_with_the_number_of_replies_and_not_with_its_square(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def counted(self: NearDuplicates, own: set[int], other: object) -> float:
        nonlocal compared
        compared += 1
        return 0.0

    monkeypatch.setattr(NearDuplicates, "_overlap", counted)
    dice = random.Random(5)
    near = NearDuplicates(0.5)
    for _ in range(1500):  # all begin with the same ten words
        near.add(f"a b c d e f g h i j {' '.join(f'word{dice.randrange(10_000)}' for _ in range(9))}")
    assert 1500 * 20 < compared <= 1500 * 200
