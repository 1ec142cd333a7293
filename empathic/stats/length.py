"""A win rate as it would be if both replies were of one length.

Judges like long replies. A logistic model says how likely `a` wins given by how much its reply is longer, in standard
deviations and by their hyperbolic tangent; the rate is what it says for no difference at all (Dubois, Galambosi, Liang,
Hashimoto 2024, arXiv 2404.04475, without their term for a dialogue's difficulty). A ridge holds the length's weight
finite where the judge goes by length alone. Ties are half a win (Papke and Wooldridge 1996, J. Applied Econometrics 11,
619-632), hence the sandwich variance, with residuals as large as they would be of dialogues left out (Mancl and DeRouen
2001, Biometrics 57, 126-134). Where the replies of one side are nearly always longer there is nothing to learn a rate
at equal lengths from: the model would only extrapolate, and none is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from empathic.stats.win_rate import Z, rounded

_RIDGE = 0.02  # L2 penalty on the length's weight; if larger, a purely length-driven judge isn't fully corrected
_FAINT = 0.01  # against the level, which only matters where one side wins everything
_SHARE, _LEAST = 0.1, 5  # of the dialogues, and how many, that either side's reply has to be the longer one in


@dataclass(frozen=True)
class LengthControlled:
    """How often system `a` would beat system `b` at equal lengths, by one measure, over `n` dialogues.

    `extrapolated` says that one side's replies were nearly always longer: then there is no rate and no interval.
    """

    a: str
    b: str
    measure: str
    estimate: float | None
    low: float | None
    high: float | None
    extrapolated: bool
    ties: int
    n: int

    def to_row(self) -> dict[str, Any]:
        """The rate as `summary.json` holds it."""
        return rounded(self)


def length_controlled(
    a: str, b: str, measure: str, outcomes: Sequence[float], longer: Sequence[float]
) -> LengthControlled:
    """The win rate at equal lengths.

    Args:
        a: the system whose wins are counted.
        b: its opponent.
        measure: by which outcomes were told.
        outcomes: 1, 0.5 or 0 for `a`, a dialogue each.
        longer: by how many words the reply of `a` is longer than that of `b`, in the same order.

    Raises:
        ValueError: no outcomes, or not as many lengths.
    """
    if not outcomes or len(outcomes) != len(longer):
        raise ValueError(f"no length-controlled rate of {len(outcomes)} outcomes and {len(longer)} lengths")
    n, ties = len(outcomes), sum(outcome == 0.5 for outcome in outcomes)
    on_either = min(sum(words >= 0 for words in longer), sum(words <= 0 for words in longer))
    if on_either < max(_LEAST, _SHARE * n):
        return LengthControlled(a, b, measure, None, None, None, True, ties, n)
    level, error = _level(outcomes, longer)
    low, rate, high = (1 / (1 + math.exp(-(level + side * error))) for side in (-Z, 0.0, Z))
    return LengthControlled(a, b, measure, rate, low, high, False, ties, n)


def _level(outcomes: Sequence[float], longer: Sequence[float]) -> tuple[float, float]:
    """The log-odds of a win at equal lengths, and their standard error."""
    import numpy

    won, words = numpy.array(outcomes, float), numpy.array(longer, float)
    columns = numpy.stack([numpy.ones_like(words), numpy.tanh(words / (words.std() or 1.0))], 1)
    ridge, weights = numpy.diag([_FAINT, _RIDGE]), numpy.zeros(2)
    for _ in range(100):
        chance = 1 / (1 + numpy.exp(-columns @ weights))
        slope = columns.T @ (won - chance) - ridge @ weights
        curve = (columns * (chance * (1 - chance))[:, None]).T @ columns + ridge
        step = numpy.linalg.solve(curve, slope)
        weights = weights + step
        if float(abs(step).max()) < 1e-10:
            break
    inverse = numpy.linalg.inv(curve)
    leverage = (columns @ inverse * columns).sum(1) * chance * (1 - chance)
    scores = columns * ((won - chance) / (1 - leverage))[:, None]
    spread = scores.T @ scores if len(set(outcomes)) > 1 else curve  # a clean sweep has no spread to go by
    return float(weights[0]), math.sqrt(float((inverse @ spread @ inverse)[0, 0]))
