"""How far raters agree: weighted kappa of two, Krippendorff's alpha of any number, levels as equally spaced.

Cohen (1968, Psychological Bulletin 70, 213-220) with quadratic weights; Krippendorff (2004, Content Analysis, chapter
11) with the interval metric. Intervals are bootstraps over groups, such as the posts that replies answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_RESAMPLES = 2000


@dataclass(frozen=True)
class Agreement:
    """Weighted kappa (1 is full agreement, 0 chance) with its 95% interval, the share of equal levels, and macro-F1."""

    kappa: float
    low: float
    high: float
    accuracy: float
    f1: float
    n: int


def agreement(
    people: Sequence[int], judge: Sequence[int], groups: Sequence[str], levels: int = 3, seed: int = 0
) -> Agreement:
    """How far a judge's levels are those of people.

    Args:
        people: their levels, 0 to `levels` - 1.
        judge: the judge's, in the same order.
        groups: what each belongs to; whole groups are drawn for the interval.
        levels: how many there are.
        seed: of the draws.

    Raises:
        ValueError: nothing to compare, or lengths that differ.
    """
    import numpy

    if not people or not len(people) == len(judge) == len(groups):
        raise ValueError("want as many levels of a judge, and groups, as of people")
    _, group = numpy.unique(numpy.array(groups), return_inverse=True)
    tables = numpy.zeros((group.max() + 1, levels, levels))
    numpy.add.at(tables, (group, numpy.array(people), numpy.array(judge)), 1)
    whole = tables.sum(0)
    dice = numpy.random.default_rng(seed)
    drawn = [_kappa(tables[dice.integers(len(tables), size=len(tables))].sum(0)) for _ in range(_RESAMPLES)]
    low, high = numpy.quantile(drawn, [0.025, 0.975])
    hits, seen, said = numpy.diag(whole), whole.sum(1), whole.sum(0)
    there = seen + said > 0
    f1 = (2 * hits[there] / (seen + said)[there]).mean()
    accuracy = hits.sum() / whole.sum()
    return Agreement(_kappa(whole), float(low), float(high), float(accuracy), float(f1), len(people))


def _kappa(table: Any) -> float:
    """Quadratically weighted kappa of a table of counts; 0 where chance alone explains all there is."""
    import numpy

    levels = numpy.arange(len(table))
    weights = (levels[:, None] - levels[None, :]) ** 2
    chance = numpy.outer(table.sum(1), table.sum(0)) / table.sum()
    expected = (weights * chance).sum()
    return float(1 - (weights * table).sum() / expected) if expected else 0.0


def alpha(raters: Sequence[Mapping[str, float]]) -> float | None:
    """Krippendorff's alpha of raters' values by item; items that one rater alone rated count for nothing.

    Returns:
        1 for full agreement, 0 for chance, below it for less; None where no item has two ratings or all are equal.
    """
    import evalica
    import pandas

    items: dict[str, list[float]] = {}
    for ratings in raters:
        for item, value in ratings.items():
            items.setdefault(item, []).append(value)
    paired = {item: values for item, values in items.items() if len(values) > 1}
    if len({value for values in paired.values() for value in values}) < 2:
        return None
    table = pandas.DataFrame([{item: ratings.get(item) for item in paired} for ratings in raters], dtype=float)
    return float(evalica.alpha(table, distance="interval").alpha)
