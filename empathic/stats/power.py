"""What a number of dialogues can show, before the judging is paid for.

The normal approximation, with the variance of no effect for the test and that of the effect for its being found: of one
rate against one half (Lemeshow, Hosmer, Klar and Lwanga 1990, Adequacy of Sample Size in Health Studies, chapter 1) and
of the paired difference of two (Connor 1987, Biometrics 43, 207-211), both solved for the effect. Ties make outcomes
less spread: the mean squared distance of an outcome from one half takes the place of the 1/4 of wins and losses, the
mean squared difference that of the share of dialogues on which the two systems differ. Half a step is added to the
difference, since its exact test goes by steps (Edwards 1948, Psychometrika 13, 185-187).
"""

from __future__ import annotations

import math

from empathic.stats.win_rate import Z


def min_detectable_win_rate(n: int, ties: float = 0.0, power: float = 0.8) -> float:
    """The smallest win rate above one half that `n` dialogues show at 5%, two-sided, so often.

    Args:
        n: dialogues.
        ties: the share of ties to expect.
        power: how often it should be found where it is there.

    Returns:
        The rate; 1 where there is none.

    Raises:
        ValueError: as `_reach` does.
    """
    return min(1.0, 0.5 + _reach(n, 0.25 * (1 - ties), power))


def min_detectable_difference(n: int, ties: float = 0.0, correlation: float = 0.5, power: float = 0.8) -> float:
    """The smallest difference of two win rates on the same `n` dialogues that is found so often.

    Args:
        n: dialogues, the same for both.
        ties: the share of ties to expect in each.
        correlation: the correlation of their outcomes, 0 to 1: students of one family lose on the same dialogues.
        power: how often it should be found where it is there.

    Returns:
        The difference; 1 where there is none.

    Raises:
        ValueError: as `_reach` does.
    """
    reach = _reach(n, 2 * 0.25 * (1 - ties) * (1 - correlation), power)
    return min(1.0, reach + (0.5 if ties else 1.0) / n)


def _reach(n: int, square: float, power: float) -> float:
    """The smallest mean that is detectable with `n` outcomes; infinite if there is none.

    It solves d * sqrt(n) = z * sqrt(square) + y * sqrt(square - d^2), with z the normal's point for the test and y that
    for the power.

    Args:
        n: dialogues.
        square: the mean squared outcome, the same with and without an effect.
        power: how often it should be found.

    Raises:
        ValueError: no dialogues, or a power that is no share.
    """
    from scipy.stats import norm

    if n < 1 or not 0 < power < 1:
        raise ValueError(f"no power of {power} over {n} dialogues")
    y = float(norm.ppf(power))
    room = n + y * y - Z * Z
    return math.sqrt(square) * (Z * math.sqrt(n) + y * math.sqrt(room)) / (n + y * y) if room >= 0 else math.inf
