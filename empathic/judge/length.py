"""A win rate as it would be if both replies were of one length.

Judges like long replies. A logistic model says how likely `a` wins given by how much its reply is longer; the rate is
what it says for no difference at all (Dubois, Galambosi, Liang, Hashimoto 2024, arXiv 2404.04475, without their term
for a dialogue's difficulty). A ridge holds the length's weight finite where the judge goes by length alone. Ties are
half a win (Papke and Wooldridge 1996, J. Applied Econometrics 11, 619-632), hence the sandwich variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from empathic.judge.winrate import WinRate, Z

_RIDGE = 0.1  # against the length's weight: larger, and a judge that goes by length alone keeps some of its win rate
_FAINT = 0.01  # against the level, which only matters where one side wins everything


def length_controlled(a: str, b: str, judge: str, outcomes: Sequence[float], longer: Sequence[float]) -> WinRate:
    """The win rate at equal lengths.

    Args:
        a: the system whose wins are counted.
        b: its opponent.
        judge: who judged.
        outcomes: 1, 0.5 or 0 for `a`, a dialogue each.
        longer: by how many words the reply of `a` is longer than that of `b`, in the same order.

    Raises:
        ValueError: no outcomes, or not as many lengths.
    """
    import numpy

    if not outcomes or len(outcomes) != len(longer):
        raise ValueError(f"no length-controlled rate of {len(outcomes)} outcomes and {len(longer)} lengths")
    won, words = numpy.array(outcomes, float), numpy.array(longer, float)
    spread = float(numpy.sqrt((words**2).mean())) or 1.0
    columns = numpy.stack([numpy.ones_like(words), numpy.tanh(words / spread)], 1)
    ridge, weights = numpy.diag([_FAINT, _RIDGE]), numpy.zeros(2)
    for _ in range(100):
        chance = 1 / (1 + numpy.exp(-columns @ weights))
        slope = columns.T @ (won - chance) - ridge @ weights
        curve = (columns * (chance * (1 - chance))[:, None]).T @ columns + ridge
        step = numpy.linalg.solve(curve, slope)
        weights = weights + step
        if float(abs(step).max()) < 1e-10:
            break
    scores = columns * (won - chance)[:, None]
    spread_of = scores.T @ scores if len(set(outcomes)) > 1 else curve  # a clean sweep has no spread to go by
    inverse = numpy.linalg.inv(curve)
    error = math.sqrt(float((inverse @ spread_of @ inverse)[0, 0]))
    low, rate, high = (1 / (1 + math.exp(-(weights[0] + side * error))) for side in (-Z, 0.0, Z))
    ties = sum(outcome == 0.5 for outcome in outcomes)
    return WinRate(a, b, judge, rate, low, high, ties, len(outcomes))
