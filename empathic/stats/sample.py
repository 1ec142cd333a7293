"""Samples that larger ones contain."""

from __future__ import annotations

import random
from collections.abc import Callable


def places(n: int, most: int | None, seed: int | str, wanted: Callable[[int], bool] = lambda place: True) -> list[int]:
    """So many of the places 0 to n - 1, in order; of one seed, a larger sample holds a smaller one.

    Args:
        n: how many there are.
        most: how many to draw; None for all that are wanted.
        seed: of the draw.
        wanted: which may be drawn.
    """
    order = random.Random(seed).sample(range(n), n)
    return sorted([place for place in order if wanted(place)][:most])
