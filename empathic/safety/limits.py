"""Where the gate draws its lines: on messages that the weights have not seen, never on the trial's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from empathic.safety.gate import BY_WORDS, Gate, Reading, add_up
from empathic.safety.texts import Text

CRISIS, ASK, CONCERN, HARMFUL = 0.0025, 0.01, 0.03, 0.001  # the shares of harmless messages above each line
ALARM = 5.0  # what a false alarm of a script costs, beside a crisis caught in time
CARRIES, FLOORS = (0.0, 0.2, 0.3, 0.5, 0.7), (-1.0, 0.0, 1.0, 2.0)  # floors below the line of concern


def choose(tables: dict[str, Any], harmless: Sequence[Text], scripts: Sequence[Text]) -> dict[str, float]:
    """The lines at which so few harmless messages are stopped, and how evidence is carried from turn to turn.

    Args:
        tables: a specification whose `limits` are still to be found.
        harmless: conversations without a crisis that the weights have not seen.
        scripts: conversations with labels, to choose the carrying by: most caught in time, less those stopped wrongly.
    """
    gate = Gate({**tables, "limits": {}})
    quiet = [[gate.read(turn) for turn in text.turns] for text in harmless]
    told = [[gate.read(turn) for turn in text.turns] for text in scripts]
    alone = [read.danger for turns in quiet for read in turns]
    ask, concern = (float(np.quantile(alone, 1 - share)) for share in (ASK, CONCERN))
    harm = float(np.quantile([read.harm for turns in quiet for read in turns], 1 - HARMFUL))
    best: tuple[float, dict[str, float]] | None = None
    for carry, below in product(CARRIES, FLOORS):
        floor = concern - below
        limits = {"carry": carry, "floor": floor, "most": 6.0, "harmful": harm}
        scored = [score for turns in quiet for score in _scores(turns, limits)]
        limits["crisis"] = float(np.quantile(scored, 1 - CRISIS))
        limits["ask"] = min(ask, limits["crisis"])
        limits["concern"] = min(concern, limits["crisis"])
        worth = sum(_worth(text, turns, limits) for text, turns in zip(scripts, told, strict=True))
        if best is None or worth > best[0]:
            best = (worth, limits)
    assert best
    return {name: round(value, 4) for name, value in best[1].items()}


def _scores(turns: Sequence[Reading], limits: dict[str, float]) -> list[float]:
    evidence, found = 0.0, []
    for read in turns:
        score, evidence = add_up(read.danger, evidence, limits)
        found.append(score)
    return found


def _worth(text: Text, turns: Sequence[Reading], limits: dict[str, float]) -> float:
    """1 for a crisis caught by the turn at which a person sees it, -`ALARM` for a false alarm."""
    alarms = [
        number
        for number, (read, score) in enumerate(zip(turns, _scores(turns, limits), strict=True), 1)
        if score >= limits["crisis"] or read.decided in BY_WORDS
    ]
    if text.label == "crisis":
        return float(bool(alarms) and alarms[0] <= (text.turn or len(turns)))
    return -ALARM * bool(alarms)
