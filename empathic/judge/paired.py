"""Two systems against the same opponent on the same dialogues: is one better, and by how much.

Each dialogue is a pair of outcomes (1, 0.5 or 0), whose difficulty falls out of their difference. The interval is a
bootstrap over dialogues (Efron 1987, JASA 82, 171-185: bias-corrected and accelerated), the p-value that of a paired
permutation test (for wins and losses alone that is McNemar's exact test).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RESAMPLES = 9999


@dataclass(frozen=True)
class Difference:
    """By how much one win rate is higher than another, in -1..1, with a 95% interval and a two-sided p-value."""

    estimate: float
    low: float
    high: float
    p: float
    n: int


def difference(
    first: Mapping[Any, float], second: Mapping[Any, float], seed: int = 0, resamples: int = _RESAMPLES
) -> Difference:
    """The difference of two win rates on the dialogues that both have.

    Args:
        first: dialogue id -> outcome of the one system against an opponent.
        second: the other's against the same.
        seed: of the resampling.
        resamples: how many.

    Raises:
        ValueError: fewer than two dialogues in common.
    """
    import numpy
    from scipy import stats

    ids = sorted(first.keys() & second.keys())
    if len(ids) < 2:
        raise ValueError(f"no difference over {len(ids)} dialogues")
    found = numpy.array([first[id] - second[id] for id in ids])
    mean = float(found.mean())
    if not found.any():
        return Difference(0.0, 0.0, 0.0, 1.0, len(ids))
    if (found == found[0]).all():
        return Difference(mean, mean, mean, _p(found, seed, resamples), len(ids))
    dice = numpy.random.default_rng(seed)
    bounds = stats.bootstrap(
        (found,), numpy.mean, vectorized=True, n_resamples=resamples, method="BCa", rng=dice
    ).confidence_interval
    return Difference(mean, float(bounds.low), float(bounds.high), _p(found, seed, resamples), len(ids))


def _p(found: object, seed: int, resamples: int) -> float:
    """How often differences with signs by lot are as far from 0 as these."""
    import numpy
    from scipy import stats

    test = stats.permutation_test(
        (found,),
        lambda x, axis: x.mean(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=numpy.random.default_rng(seed),
    )
    return float(test.pvalue)
