"""More than two systems in one order: Bradley and Terry's model of who beats whom (1952, Biometrika 39, 324-345).

Every pair of systems is compared on the dialogues that both answered. One tied comparison is added to each pair, so
that a system that wins them all has a finite strength. Intervals are normal ones for its log-odds, with the jackknife's
standard error over dialogues, whose replies hang together (Efron and Stein 1981, Annals of Statistics 9, 586-596). Two
dialogues are added for that, on which every pair comes out the one way and the other, so that a system that wins them
all is not certain to.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ranked:
    """A system's strength: how often the model expects it to beat the other systems, on average, with a 95% interval.

    `n` is the number of dialogues that it was compared on.
    """

    system: str
    strength: float
    low: float
    high: float
    n: int


def bradley_terry(outcomes: Mapping[tuple[str, str], Mapping[Any, float]], systems: Sequence[str]) -> list[Ranked]:
    """The systems from the strongest to the weakest.

    Args:
        outcomes: for each pair of systems, in their order, dialogue id -> 1, 0.5 or 0 for the first of the two.
        systems: two or more names.

    Returns:
        A row a system; none where a pair of systems shares no dialogue.
    """
    import numpy
    from scipy.special import expit, logit

    pairs = list(itertools.combinations(range(len(systems)), 2))
    won: dict[Any, dict[int, float]] = {}  # dialogue -> pair -> outcome
    for number, (a, b) in enumerate(pairs):
        for id, outcome in outcomes.get((systems[a], systems[b]), {}).items():
            won.setdefault(id, {})[number] = outcome
    if not pairs or {number for of in won.values() for number in of} != set(range(len(pairs))):
        return []
    table = numpy.full((len(won), len(pairs)), numpy.nan)
    for row, of in enumerate(won.values()):
        table[row, list(of)] = list(of.values())
    whole, half = _strengths(table, pairs, systems), _half_width(table, pairs, systems)
    low, high = expit(logit(whole) - half), expit(logit(whole) + half)
    ranked = [
        Ranked(name, float(whole[i]), float(low[i]), float(high[i]), _answered(table, pairs, i))
        for i, name in enumerate(systems)
    ]
    return sorted(ranked, key=lambda one: -one.strength)


def _half_width(table: Any, pairs: list[tuple[int, int]], systems: Sequence[str]) -> Any:
    """Half the 95% interval of each system's log-odds of strength, of outcomes as `_strengths` takes them."""
    import numpy
    from scipy.special import logit
    from scipy.stats import t

    table = numpy.vstack([table, numpy.ones(len(pairs)), numpy.zeros(len(pairs))])
    n = len(table)
    _, first, times = numpy.unique(table, axis=0, return_index=True, return_counts=True)
    without = logit([_strengths(numpy.delete(table, row, 0), pairs, systems) for row in first])
    squares = times @ (without - times @ without / n) ** 2
    return t.ppf(0.975, n - 1) * numpy.sqrt((n - 1) / n * squares)


def _strengths(table: Any, pairs: list[tuple[int, int]], systems: Sequence[str]) -> Any:
    """Each system's mean chance against the others, of outcomes by dialogue and pair (NaN where there is none)."""
    import evalica
    import numpy

    sides, others, winners, weights = [], [], [], []
    for (a, b), outcomes in zip(pairs, table.T, strict=True):
        for outcome, winner in ((1.0, evalica.Winner.X), (0.0, evalica.Winner.Y), (0.5, evalica.Winner.Draw)):
            sides.append(systems[a])
            others.append(systems[b])
            winners.append(winner)
            weights.append(float((outcomes == outcome).sum()) + (outcome == 0.5))
    found = evalica.bradley_terry(sides, others, winners, weights=weights, limit=1000)
    chances = evalica.pairwise_scores(found.scores.loc[list(systems)].to_numpy())
    return (chances.sum(1) - numpy.diag(chances)) / (len(systems) - 1)


def _answered(table: Any, pairs: list[tuple[int, int]], system: int) -> int:
    import numpy

    columns = [number for number, pair in enumerate(pairs) if system in pair]
    return int((~numpy.isnan(table[:, columns])).any(1).sum())
