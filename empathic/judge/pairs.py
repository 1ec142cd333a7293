"""What is said of systems beside their win rates: at equal lengths, and one beside another against the same rival;
and how far judges agree."""

from __future__ import annotations

from typing import Any

from empathic.judge.agreement import alpha
from empathic.judge.length import length_controlled
from empathic.judge.paired import difference
from empathic.judge.verdicts import Scores
from empathic.judge.winrate import WinRate, rounded


def at_equal_lengths(a: str, b: str, scores: Scores) -> list[WinRate]:
    """Length-controlled win rates of `a` over `b`, by every measure."""
    found = scores.outcomes(a, b)
    longer = {id: scores.words[a][id] - scores.words[b][id] for id in found if _counted(id, scores, a, b)}
    rates = []
    for measure in _measures(found):
        ids = [id for id in longer if measure in found[id]]
        if ids:
            outcomes = [found[id][measure] for id in ids]
            rates.append(length_controlled(a, b, measure, outcomes, [longer[id] for id in ids]))
    return rates


def differences(first: str, second: str, against: str, scores: Scores, seed: int = 0) -> list[dict[str, Any]]:
    """By how much `first` beats `against` more often than `second` does, on the same dialogues, by every measure.

    Returns:
        Rows `first, second, against, judge, estimate, low, high, p, n`; none where they share fewer than two dialogues.
    """
    one, two = scores.outcomes(first, against), scores.outcomes(second, against)
    rows = []
    for measure in _measures(one):
        of_one = {id: of[measure] for id, of in one.items() if measure in of}
        of_two = {id: of[measure] for id, of in two.items() if measure in of}
        if len(of_one.keys() & of_two.keys()) > 1:
            found = rounded(difference(of_one, of_two, seed))
            rows.append({"first": first, "second": second, "against": against, "judge": measure, **found})
    return rows


def judges_agree(a: str, b: str, scores: Scores) -> float | None:
    """Krippendorff's alpha of a panel's judges on who won each dialogue; None without a panel."""
    found = scores.outcomes(a, b)
    by_judge = [{id: of[judge] for id, of in found.items() if judge in of} for judge in scores.odds]
    return alpha(by_judge) if len(by_judge) > 1 else None


def _counted(id: str, scores: Scores, *systems: str) -> bool:
    return all(id in scores.words.get(system, {}) for system in systems)


def _measures(found: dict[str, dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(measure for of in found.values() for measure in of))
