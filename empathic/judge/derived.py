"""Derived statistics: length-controlled rates, differences and ranking of systems, and agreement between judges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from empathic.judge.verdicts import Scores
from empathic.stats.agreement import agreement, alpha
from empathic.stats.bradley_terry import Ranked, bradley_terry
from empathic.stats.length import LengthControlled, length_controlled
from empathic.stats.paired import paired_difference
from empathic.stats.win_rate import rounded


def at_equal_lengths(a: str, b: str, scores: Scores) -> list[LengthControlled]:
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


def differences(first: str, second: str, against: str, scores: Scores) -> list[dict[str, Any]]:
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
            found = rounded(paired_difference(of_one, of_two))
            rows.append({"first": first, "second": second, "against": against, "judge": measure, **found})
    return rows


def ranking(scores: Scores, systems: Sequence[str], measure: str = "agreed") -> list[Ranked]:
    """The systems from the strongest to the weakest, by one measure.

    Args:
        scores: what outcomes come from.
        systems: two or more names.
        measure: one of those of `Scores.outcomes`.

    Returns:
        A row a system; none where a pair of systems shares no dialogue, or the measure isn't there.
    """
    outcomes = {
        pair: {id: of[measure] for id, of in scores.outcomes(*pair).items() if measure in of}
        for pair in itertools.combinations(systems, 2)
    }
    return bradley_terry(outcomes, systems)


def judges_agree(a: str, b: str, scores: Scores) -> float | None:
    """Krippendorff's alpha of a panel's judges on who won each dialogue; None without a panel."""
    found = scores.outcomes(a, b)
    by_judge = [{id: of[judge] for id, of in found.items() if judge in of} for judge in scores.log_odds]
    return alpha(by_judge) if len(by_judge) > 1 else None


def judge_kappas(a: str, b: str, scores: Scores) -> list[dict[str, Any]]:
    """How far each two judges of a panel agree on who won, by Cohen's quadratically weighted kappa.

    Returns:
        Rows `judge_a, judge_b, kappa, low, high, n`; none without a panel, or where two judged no dialogue in common.
    """
    found, rows = scores.outcomes(a, b), []
    for one, other in itertools.combinations(scores.log_odds, 2):
        ids = [id for id, of in found.items() if of.keys() >= {one, other}]
        if ids:
            of_one, of_other = ([int(2 * found[id][judge]) for id in ids] for judge in (one, other))
            of = rounded(agreement(of_one, of_other, ids))
            rows.append({"judge_a": one, "judge_b": other, **{key: of[key] for key in ("kappa", "low", "high", "n")}})
    return rows


def _counted(id: str, scores: Scores, *systems: str) -> bool:
    return all(id in scores.words.get(system, {}) for system in systems)


def _measures(found: dict[str, dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(measure for of in found.values() for measure in of))
