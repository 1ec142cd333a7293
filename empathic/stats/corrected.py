"""A win rate corrected for a judge's measured errors on a sample that people labelled.

Where nobody ties, the sample tells how often the judge sees a win that is one (sensitivity) and a loss that is one
(specificity). The corrected rate is Rogan and Gladen's (1978, Am. J. Epidemiology 107, 71-76); its interval, which is
wider since all three rates are estimates, is Lang and Reiczigel's (2014, Preventive Veterinary Medicine 113, 13-22).

Two rates of error can't tell people's wins, ties and losses apart. Where anybody ties, the rate is the judge's and what
it was too low by on the sample, on average (prediction-powered inference: Angelopoulos, Bates, Fannjiang, Jordan and
Zrnic 2023, Science 382, 669-674): right whatever the ties, if the sample was drawn by lot, as pairs to vote on are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from empathic.stats.win_rate import Z


@dataclass(frozen=True)
class Labelled:
    """Of pairs that people labelled: wins and losses by them, and how many of each the judge saw as they did."""

    wins: int
    wins_seen: int
    losses: int
    losses_seen: int


@dataclass(frozen=True)
class Corrected:
    """A corrected rate with its 95% interval, all in 0..1."""

    estimate: float
    low: float
    high: float


def human_corrected_rate(labelled: Sequence[tuple[float, float]], rest: Sequence[float]) -> Corrected:
    """A win rate as people would have found it, by sensitivity and specificity where nobody ties.

    Args:
        labelled: what people and the judge say of a dialogue (1, 0.5 or 0), for dialogues drawn by lot.
        rest: what the judge says of others.

    Raises:
        ValueError: as `rogan_gladen_rate` and `ppi_rate` do.
    """
    if 0.5 in rest or any(0.5 in said for said in labelled):
        return ppi_rate(labelled, rest)
    of = {side: [judge for people, judge in labelled if people == side] for side in (1.0, 0.0)}
    counts = (len(of[1.0]), of[1.0].count(1.0), len(of[0.0]), of[0.0].count(0.0))
    return rogan_gladen_rate(rest.count(1.0), len(rest), Labelled(*counts))


def rogan_gladen_rate(won: int, n: int, labelled: Labelled) -> Corrected:
    """A win rate as people would have found it, where neither they nor the judge tie.

    Args:
        won: how many of `n` dialogues the judge saw as won.
        n: dialogues.
        labelled: how the judge did on others, drawn in whatever way.

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


def ppi_rate(labelled: Sequence[tuple[float, float]], rest: Sequence[float]) -> Corrected:
    """A win rate as people would have found it, with ties on either side.

    The interval is the normal one, with two dialogues more in each sample, so that a judge of people's mind in all of a
    few dialogues is not certain: a win and a loss (Agresti and Caffo 2000, American Statistician 54, 280-288), and half
    a dialogue for each way in which people and judge see wins and losses (Agresti and Min 2005, Statistics in Medicine
    24, 729-740).

    Args:
        labelled: what people and the judge say of a dialogue (1, 0.5 or 0), for dialogues drawn by lot.
        rest: what the judge says of others.

    Raises:
        ValueError: no dialogues, no labels, or a judge that says the same of all that people labelled.
    """
    if not rest or not labelled:
        raise ValueError("want dialogues, and labelled ones")
    if len({judge for _, judge in labelled}) == 1:
        raise ValueError("a judge that says the same of all tells nothing")
    short = [people - judge for people, judge in labelled]
    estimate = min(1.0, max(0.0, fmean(rest) + fmean(short)))
    rate, of_rate = _padded(rest, 1.0, 1.0)
    shift, of_shift = _padded(short, 0.0, 1.0)
    centre, half = rate + shift, Z * math.sqrt(of_rate + of_shift)
    return Corrected(estimate, max(0.0, centre - half), min(1.0, centre + half))


def _padded(values: Sequence[float], total: float, squares: float) -> tuple[float, float]:
    """A sample's mean and that mean's variance, two values of such a sum and sum of squares added."""
    n = len(values) + 2
    mean = (sum(values) + total) / n
    return mean, ((sum(value * value for value in values) + squares) / n - mean * mean) / n
