"""Simulated studies: a thousand each, by which 95% intervals are held to what they promise."""

from __future__ import annotations

import numpy

STUDIES = 1000
HONEST = (0.93, 0.97)  # how often a 95% interval may cover the truth


def outcomes(dice: numpy.random.Generator, rate: float, ties: float, size: tuple[int, ...]) -> numpy.ndarray:
    """Outcomes with a mean of `rate` and a share of ties."""
    return dice.choice([1.0, 0.5, 0.0], p=[rate - ties / 2, ties, 1 - rate - ties / 2], size=size)
