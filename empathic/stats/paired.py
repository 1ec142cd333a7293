"""Two systems against the same opponent on the same dialogues: is one better, and by how much.

Each dialogue is a pair of outcomes (1, 0.5 or 0), whose difficulty falls out of their difference: -1, -0.5, 0, 0.5 or
1. The p-value is that of the paired permutation test, of all signs at once (for wins and losses alone it is McNemar's
exact test). The interval holds every difference that its own test doesn't reject: for none at all that permutation
test, so that interval and p never contradict each other; for any other the score test, which for wins and losses alone
is Tango's (1998, Statistics in Medicine 17, 891-908), here over five differences instead of three (Lang 2008, ibid. 27,
5975-5990). It covers the truth in 93 to 97% of studies; in more where fewer than about ten dialogues tell the two apart
or where there is no difference, since an exact test of few errs on the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from empathic.stats.win_rate import Z

_FAINT = 1e-6  # of a dialogue, at either end: the likeliest shares may need a difference that none has


@dataclass(frozen=True)
class Difference:
    """By how much one win rate is higher than another, in -1..1, with a 95% interval and a two-sided p-value."""

    estimate: float
    low: float
    high: float
    p: float
    n: int


def paired_difference(first: Mapping[Any, float], second: Mapping[Any, float]) -> Difference:
    """The difference of two win rates on the dialogues that both have.

    Args:
        first: dialogue id -> outcome (1, 0.5 or 0) of the one system against an opponent.
        second: the other's against the same.

    Raises:
        ValueError: fewer than two dialogues in common.
    """
    import numpy

    ids = first.keys() & second.keys()
    if len(ids) < 2:
        raise ValueError(f"no difference over {len(ids)} dialogues")
    halves = [round(2 * (first[id] - second[id])) for id in ids]
    counts = numpy.bincount(numpy.array(halves) + 2, minlength=5).astype(float)
    mean, p = sum(halves) / 2 / len(ids), _p(counts)
    low, high = -_bound(counts[::-1]), _bound(counts)
    if p >= 0.05:
        low, high = min(low, 0.0), max(high, 0.0)
    else:
        low, high = (max(low, 0.0), high) if mean > 0 else (low, min(high, 0.0))
    return Difference(mean, min(low, mean), max(high, mean), p, len(ids))


def clustered_difference(first: Mapping[Any, Sequence[float]], second: Mapping[Any, Sequence[float]]) -> Difference:
    """The difference of two rates where a dialogue has several outcomes, which hang together: Student's t over them.

    Args:
        first: dialogue id -> its outcomes by the one way, in some order.
        second: by the other, in the same order.

    Raises:
        ValueError: fewer than two dialogues in common.
    """
    from scipy.stats import ttest_1samp

    ids = first.keys() & second.keys()
    if len(ids) < 2:
        raise ValueError(f"no difference over {len(ids)} dialogues")
    means = [fmean(first[id]) - fmean(second[id]) for id in ids]
    if len(set(means)) == 1:  # no spread to judge by
        return Difference(means[0], -1.0, 1.0, 1.0, len(ids))
    found = ttest_1samp(means, 0)
    low, high = found.confidence_interval(0.95)
    return Difference(fmean(means), max(-1.0, low), min(1.0, high), float(found.pvalue), len(ids))


def _p(counts: Any) -> float:
    """How often differences with signs by lot are as far from 0 as these, of `counts` for -1, -0.5, 0, 0.5 and 1."""
    import numpy
    from scipy.stats import binom

    half, whole = int(counts[1] + counts[3]), int(counts[0] + counts[4])
    of_whole = numpy.zeros(2 * whole + 1)
    of_whole[::2] = binom.pmf(numpy.arange(whole + 1), whole, 0.5)
    chances = numpy.convolve(of_whole, binom.pmf(numpy.arange(half + 1), half, 0.5))
    sums = 2 * numpy.arange(len(chances)) - half - 2 * whole  # in halves
    found = abs(2 * (counts[4] - counts[0]) + counts[3] - counts[1])
    return min(1.0, float(chances[abs(sums) >= found].sum()))


def _bound(counts: Any) -> float:
    """The largest difference that the score test doesn't reject, of `counts` for -1, -0.5, 0, 0.5 and 1.

    With a mean of `d`, the likeliest shares are the counts over 1 + t(difference - d) for the t that gives that mean
    (Owen 1988, Biometrika 75, 237-249); so the way to the bound is one of ever more weight for the larger differences.
    """
    import numpy
    from scipy.optimize import brentq

    values = numpy.arange(-2, 3) / 2
    seen = counts + _FAINT * (abs(values) == 1)
    n, mean = counts.sum(), seen @ values / seen.sum()

    def at(tilt: float) -> tuple[float, float]:
        shares = seen / (1 - values + values * math.exp(tilt))
        shares = shares / shares.sum()
        supposed = shares @ values
        return supposed, shares @ (values - supposed) ** 2

    def beyond(tilt: float) -> float:
        supposed, variance = at(tilt)
        return float(n * (supposed - mean) ** 2 - Z * Z * variance)

    return float(at(brentq(beyond, -40.0, 0.0))[0])
