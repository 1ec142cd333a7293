"""Derived statistics: length-controlled rates, differences and ranking of systems, and agreement between judges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from empathic.judge.measures.behaviours import BehavioursMeasure
from empathic.judge.measures.words import WordsMeasure
from empathic.judge.scores import Scores
from empathic.judge.verdicts import outcomes
from empathic.stats.agreement import agreement, alpha
from empathic.stats.bradley_terry import Ranked, bradley_terry
from empathic.stats.length import LengthControlled, length_controlled
from empathic.stats.paired import paired_difference
from empathic.stats.win_rate import rounded


def at_equal_lengths(a: str, b: str, scores: Scores) -> list[LengthControlled]:
    """Length-controlled win rates of `a` over `b`, by every measure."""
    found = outcomes(scores, a, b)
    of_a, of_b = (scores.values(WordsMeasure.name, system) for system in (a, b))
    longer = {id: of_a[id] - of_b[id] for id in found if id in of_a and id in of_b}
    rates = []
    for measure in _measures(found):
        ids = [id for id in longer if measure in found[id]]
        if ids:
            won = [found[id][measure] for id in ids]
            rates.append(length_controlled(a, b, measure, won, [longer[id] for id in ids]))
    return rates


def differences(first: str, second: str, against: str, scores: Scores) -> list[dict[str, Any]]:
    """By how much `first` beats `against` more often than `second` does, on the same dialogues, by every measure.

    Returns:
        Rows `first, second, against, measure, estimate, low, high, p, n`; none where they share fewer than two
        dialogues.
    """
    one, two = outcomes(scores, first, against), outcomes(scores, second, against)
    rows = []
    for measure in _measures(one):
        of_one = {id: of[measure] for id, of in one.items() if measure in of}
        of_two = {id: of[measure] for id, of in two.items() if measure in of}
        if len(of_one.keys() & of_two.keys()) > 1:
            found = rounded(paired_difference(of_one, of_two))
            rows.append({"first": first, "second": second, "against": against, "measure": measure, **found})
    return rows


def ranking(scores: Scores, systems: Sequence[str], measure: str = "agreed") -> list[Ranked]:
    """The systems from the strongest to the weakest, by one measure.

    Args:
        scores: what outcomes come from.
        systems: two or more names.
        measure: one of those of `verdicts.outcomes`.

    Returns:
        A row a system; none where a pair of systems shares no dialogue, or the measure isn't there.
    """
    won = {
        pair: {id: of[measure] for id, of in outcomes(scores, *pair).items() if measure in of}
        for pair in itertools.combinations(systems, 2)
    }
    return bradley_terry(won, systems)


def judges_agree(a: str, b: str, scores: Scores) -> float | None:
    """Krippendorff's alpha of a panel's judges on who won each dialogue; None without a panel."""
    found = outcomes(scores, a, b)
    by_judge = [{id: of[judge] for id, of in found.items() if judge in of} for judge in _panel(scores)]
    return alpha(by_judge) if len(by_judge) > 1 else None


def judge_kappas(a: str, b: str, scores: Scores) -> list[dict[str, Any]]:
    """How far each two judges of a panel agree on who won, by Cohen's quadratically weighted kappa.

    Returns:
        Rows `judge_a, judge_b, kappa, low, high, n`; none without a panel, or where two judged no dialogue in common.
    """
    found, rows = outcomes(scores, a, b), []
    for one, other in itertools.combinations(_panel(scores), 2):
        ids = [id for id, of in found.items() if of.keys() >= {one, other}]
        if ids:
            of_one, of_other = ([int(2 * found[id][judge]) for id in ids] for judge in (one, other))
            of = rounded(agreement(of_one, of_other, ids))
            rows.append({"judge_a": one, "judge_b": other, **{key: of[key] for key in ("kappa", "low", "high", "n")}})
    return rows


def _panel(scores: Scores) -> list[str]:
    """The judges that vote."""
    return scores.judges(BehavioursMeasure.name)


def _measures(found: dict[str, dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(measure for of in found.values() for measure in of))
