"""Samples that larger ones contain."""

from __future__ import annotations

import random

from empathic.stats.sample import places


def test_a_larger_sample_of_one_seed_holds_a_smaller_one_in_order() -> None:
    small, large = places(50, 5, 7), places(50, 20, 7)
    assert (len(small), len(large)) == (5, 20)
    assert set(small) < set(large) and large == sorted(large)
    assert places(50, 5, 8) != small and places(50, 5, "7 sft") != small


def test_none_and_more_than_there_are_mean_all_that_are_wanted() -> None:
    assert places(6, None, 0) == places(6, 9, 0) == [0, 1, 2, 3, 4, 5]
    assert places(6, None, 0, lambda place: place % 2 == 0) == [0, 2, 4]
    assert places(6, 0, 0) == []


def test_what_is_not_wanted_takes_no_place() -> None:
    order = random.Random(3).sample(range(20), 20)
    first = [place for place in order if place % 2][:4]
    assert places(20, 4, 3, lambda place: place % 2 == 1) == sorted(first)
