"""How far raters agree: weighted kappa of two, Krippendorff's alpha of any number, levels as equally spaced.

Cohen (1968, Psychological Bulletin 70, 213-220) with quadratic weights; Krippendorff (2004, Content Analysis, chapter
11) with the interval metric. Kappa's interval is by Fisher's z, as that of the intraclass correlation that it is nearly
(Fleiss and Cohen 1973, Educational and Psychological Measurement 33, 613-619), with the standard error of Fleiss, Cohen
and Everitt (1969, Psychological Bulletin 72, 323-327), summed over groups such as the posts that replies answer. One
group that is spread evenly over all pairs of levels is added for it, as Agresti and Coull (1998, American Statistician
52, 119-126) add to a rate: few that all agree are not certain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Agreement:
    """Weighted kappa (1 is full agreement, 0 chance) with its 95% interval, the share of equal levels, and macro-F1."""

    kappa: float
    low: float
    high: float
    accuracy: float
    f1: float
    n: int


def agreement(people: Sequence[int], judge: Sequence[int], groups: Sequence[str], levels: int = 3) -> Agreement:
    """How far a judge's levels are those of people.

    Args:
        people: their levels, 0 to `levels` - 1.
        judge: the judge's, in the same order.
        groups: what each belongs to; what is of one group hangs together.
        levels: how many there are.

    Raises:
        ValueError: nothing to compare, or lengths that differ.
    """
    import numpy

    if not people or not len(people) == len(judge) == len(groups):
        raise ValueError("want as many levels of a judge, and groups, as of people")
    table = numpy.zeros((levels, levels))
    numpy.add.at(table, (numpy.array(people), numpy.array(judge)), 1)
    kappa = _kappa(table)
    low, high = _interval(table, people, judge, groups)
    hits, seen, said = numpy.diag(table), table.sum(1), table.sum(0)
    there = seen + said > 0
    f1 = (2 * hits[there] / (seen + said)[there]).mean()
    accuracy = hits.sum() / table.sum()
    return Agreement(kappa, min(low, kappa), max(high, kappa), float(accuracy), float(f1), len(people))


def _kappa(table: Any) -> float:
    """Quadratically weighted kappa of a table of counts; 0 where chance alone explains all there is."""
    import numpy

    chance = numpy.outer(table.sum(1), table.sum(0)) / table.sum()
    expected = (_apart(len(table)) * chance).sum()
    return float(1 - (_apart(len(table)) * table).sum() / expected) if expected else 0.0


def _apart(levels: int) -> Any:
    """How far each level is from each, squared."""
    import numpy

    return numpy.subtract.outer(numpy.arange(levels), numpy.arange(levels)) ** 2


def _interval(table: Any, people: Sequence[int], judge: Sequence[int], groups: Sequence[str]) -> tuple[float, float]:
    """The 95% interval of the kappa of `table`, whose counts are those of `people` and `judge`."""
    import numpy
    from scipy.stats import t

    _, group = numpy.unique(numpy.array(groups), return_inverse=True)
    many = int(group.max()) + 1
    size, apart = len(people) / many, _apart(len(table))
    table = table + size / table.size
    share, kappa = table / table.sum(), _kappa(table)
    by_people, by_judge = apart @ share.sum(0), share.sum(1) @ apart
    expected = share.sum(1) @ by_people
    # by how much a single pair of levels moves kappa
    pull = ((1 - kappa) * numpy.add.outer(by_people, by_judge) - apart) / expected - (1 - kappa)
    summed = numpy.bincount(group, pull[numpy.array(people), numpy.array(judge)])
    squares = (summed**2).sum() + ((size * pull) ** 2).mean()
    error = math.sqrt(squares * (many + 1) / many) / table.sum()
    middle, half = math.atanh(kappa), float(t.ppf(0.975, many)) * error / (1 - kappa**2)
    return math.tanh(middle - half), math.tanh(middle + half)


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
