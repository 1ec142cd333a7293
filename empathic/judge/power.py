"""What a number of dialogues can show, before the judging is paid for.

The normal approximation for one rate against one half and for the paired difference of two rates (Cohen 1988,
Statistical Power Analysis for the Behavioral Sciences, chapter 6); ties make outcomes less spread.
"""

from __future__ import annotations

import math

from empathic.judge.winrate import Z


def smallest_rate(n: int, ties: float = 0.0, power: float = 0.8) -> float:
    """The smallest win rate above one half that `n` dialogues show at 5%, two-sided, so often.

    Args:
        n: dialogues.
        ties: the share of ties to expect.
        power: how often it should be found where it is there.

    Raises:
        ValueError: as `_reach` does.
    """
    return min(1.0, 0.5 + _reach(n, 0.25 * (1 - ties), power))


def smallest_difference(n: int, ties: float = 0.0, alike: float = 0.5, power: float = 0.8) -> float:
    """The smallest difference of two win rates on the same `n` dialogues that is found so often.

    Args:
        n: dialogues, the same for both.
        ties: the share of ties to expect in each.
        alike: the correlation of their outcomes, 0 to 1: students of one family lose on the same dialogues.
        power: how often it should be found where it is there.

    Raises:
        ValueError: as `_reach` does.
    """
    return min(1.0, _reach(n, 2 * 0.25 * (1 - ties) * (1 - alike), power))


def _reach(n: int, variance: float, power: float) -> float:
    """How far from nothing a mean of so many outcomes has to be.

    Raises:
        ValueError: no dialogues, or a power that is no share.
    """
    from scipy.stats import norm

    if n < 1 or not 0 < power < 1:
        raise ValueError(f"no power of {power} over {n} dialogues")
    return (Z + float(norm.ppf(power))) * math.sqrt(variance / n)
