"""A win rate corrected for a judge's measured errors.

A sample that people labelled tells how often the judge sees a win that is one (sensitivity) and a loss that is one
(specificity). The corrected rate is Rogan and Gladen's (1978, Am. J. Epidemiology 107, 71-76); its interval, which is
wider since all three rates are estimates, is Lang and Reiczigel's (2014, Preventive Veterinary Medicine 113, 13-22).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from empathic.judge.winrate import Z


@dataclass(frozen=True)
class Labelled:
    """Of pairs that people labelled: wins and losses by them, and how many of each the judge saw as they did.

    A tie of the judge's counts as half seen.
    """

    wins: int
    wins_seen: float
    losses: int
    losses_seen: float


@dataclass(frozen=True)
class Corrected:
    """A corrected rate with its 95% interval, all in 0..1."""

    estimate: float
    low: float
    high: float


def corrected(won: float, n: int, labelled: Labelled) -> Corrected:
    """A win rate as people would have found it.

    Args:
        won: how many of `n` dialogues the judge saw as won, a tie as half.
        n: dialogues.
        labelled: how the judge did on others.

    Raises:
        ValueError: no dialogues, no labels of one kind, or a judge that is no better than a coin.
    """
    if n < 1 or labelled.wins < 1 or labelled.losses < 1:
        raise ValueError("want dialogues, and labelled wins and losses")
    sees, rejects = labelled.wins_seen / labelled.wins, labelled.losses_seen / labelled.losses
    if sees + rejects <= 1:
        raise ValueError(f"a judge that sees {sees:.0%} of the wins and {rejects:.0%} of the losses tells nothing")
    estimate = min(1.0, max(0.0, (won / n + rejects - 1) / (sees + rejects - 1)))
    z2 = Z * Z
    n_rate, n_wins, n_losses = n + z2, labelled.wins + 2, labelled.losses + 2
    rate = (won + z2 / 2) / n_rate
    sees, rejects = (labelled.wins_seen + 1) / n_wins, (labelled.losses_seen + 1) / n_losses
    informed = sees + rejects - 1
    if informed <= 0:
        return Corrected(estimate, 0.0, 1.0)
    centre = (rate + rejects - 1) / informed
    of_wins, of_losses = sees * (1 - sees) / n_wins, rejects * (1 - rejects) / n_losses
    shift = 2 * z2 * (centre * of_wins - (1 - centre) * of_losses)
    variance = rate * (1 - rate) / n_rate + centre**2 * of_wins + (1 - centre) ** 2 * of_losses
    half = Z * math.sqrt(variance) / informed
    return Corrected(estimate, *(min(1.0, max(0.0, centre + shift + side * half)) for side in (-1, 1)))
