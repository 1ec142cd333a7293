"""Win rates that can be defended: ties count half, every rate has a 95% interval.

The interval is Wilson's score interval (Wilson 1927, JASA 22, 209-212) over as many dialogues as would show the same
spread without ties (as Korn and Graubard 1998, Survey Methodology 24, 193-201, have it for surveys): outcomes with ties
are less spread than wins and losses alone, and without ties it is Wilson's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

Z = 1.959963984540054  # the normal's 97.5% point


@dataclass(frozen=True)
class WinRate:
    """How often system `a` beat system `b`, by one measure, over `n` dialogues. Rates are in 0..1."""

    a: str
    b: str
    measure: str
    estimate: float
    low: float
    high: float
    ties: int
    n: int

    def to_row(self) -> dict[str, Any]:
        """The win rate as `summary.json` holds it."""
        return rounded(self)


def rounded(figures: Any) -> dict[str, Any]:
    """The fields of a dataclass, rates to four digits."""
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(figures).items()}


def interval(rate: float, n: float) -> tuple[float, float]:
    """Wilson's 95% score interval for a rate over `n` dialogues.

    Raises:
        ValueError: `n` is 0 or the rate is outside 0..1.
    """
    if n <= 0 or not 0 <= rate <= 1:
        raise ValueError(f"no interval for a rate of {rate} over {n}")
    spread = Z * Z / n
    centre = (rate + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(rate * (1 - rate) / n + spread / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def outcome(a: float, b: float) -> float:
    """1 where score `a` is higher, 0 where `b` is, 0.5 where they are equal."""
    return 0.5 if math.isclose(a, b, rel_tol=0, abs_tol=1e-9) else float(a > b)


def unanimous(outcomes: Sequence[float]) -> float:
    """A win only where all measures say so, a loss likewise, else a tie."""
    return outcomes[0] if len(set(outcomes)) == 1 else 0.5


def majority(outcomes: Sequence[float]) -> float:
    """What most judges of a panel say; a tie where they are split."""
    return outcome(sum(outcomes), len(outcomes) / 2)


def win_rate(a: str, b: str, measure: str, outcomes: Sequence[float]) -> WinRate:
    """The win rate over one outcome (1, 0.5 or 0 for `a`) a dialogue.

    Raises:
        ValueError: no outcomes.
    """
    rate = sum(outcomes) / len(outcomes) if outcomes else math.nan
    low, high = interval(rate, _without_ties(outcomes))
    return WinRate(a, b, measure, rate, low, high, sum(o == 0.5 for o in outcomes), len(outcomes))


def _without_ties(outcomes: Sequence[float]) -> float:
    """How many dialogues without ties show the spread of these: as many as there are, or more.

    One win and one loss are added for the comparison of spreads, so that outcomes that are all tied are not certain.
    """
    n = len(outcomes)
    mean = (sum(outcomes) + 1) / (n + 2)
    spread = (sum((o - mean) ** 2 for o in outcomes) + (1 - mean) ** 2 + mean**2) / (n + 2)
    return n * mean * (1 - mean) / spread
