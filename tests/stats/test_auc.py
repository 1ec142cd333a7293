"""The area under the ROC curve, by pairs and by simulation."""

from __future__ import annotations

import itertools
import random

import pytest

from empathic.stats.auc import auc


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    kinds = [True, True, False, False, True]
    scores = [0.9, 0.4, 0.4, 0.1, 0.05]
    above, below = ([s for k, s in zip(kinds, scores, strict=True) if k is of] for of in (True, False))
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in itertools.product(above, below)]
    found = auc(kinds, scores, list("abcde"))
    assert found.estimate == pytest.approx(sum(pairs) / len(pairs))
    assert found.low <= found.estimate <= found.high and found.n == 5


def test_scores_that_tell_all_apart_are_not_certain() -> None:
    found = auc([True] * 5 + [False] * 5, list(range(10, 0, -1)), list("abcdefghij"))
    assert found.estimate == 1 and 0.5 < found.low < 1


@pytest.mark.parametrize("size", [1, 5])
def test_the_interval_covers_the_truth_where_replies_hang_together(size: int) -> None:
    dice, truth, covered = random.Random(1), 0.7602, 0  # of normal scores a standard deviation apart
    for _ in range(300):
        kinds, scores, groups = [], [], []
        for group in range(40):
            shared = dice.gauss(0, 0.8)
            for _ in range(size):
                kind = group % 2 == 0
                kinds.append(kind)
                scores.append(shared + dice.gauss(0, 0.6) + kind)
                groups.append(str(group))
        found = auc(kinds, scores, groups)
        covered += found.low <= truth <= found.high
    assert covered >= 0.92 * 300


def test_there_must_be_something_to_tell_apart() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        auc([True, True], [0.1, 0.2], ["a", "b"])
    with pytest.raises(ValueError, match="as many"):
        auc([True, False], [0.1], ["a", "b"])


def test_few_of_a_kind_say_nothing_of_the_spread() -> None:
    kinds = [True] * 2 + [False] * 50
    found = auc(kinds, [0.9, 0.8, *([0.1] * 50)], [str(i) for i in range(52)])
    assert (found.estimate, found.low, found.high) == (1.0, 0.0, 1.0)
    alone = auc([True, False, True, False], [0.9, 0.1, 0.2, 0.3], ["a"] * 4)
    assert (alone.low, alone.high) == (0.0, 1.0)
