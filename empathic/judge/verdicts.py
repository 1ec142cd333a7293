"""From scores to verdicts, from verdicts to win rates."""

from __future__ import annotations

from typing import Any

from empathic.judge import controls
from empathic.judge.measures import registry
from empathic.judge.measures.agreed import OF, AgreedMeasure
from empathic.judge.measures.measure import Outcomes
from empathic.judge.scores import Scores
from empathic.stats.win_rate import WinRate, win_rate

MEASURES = tuple(measure.name for measure in OF)  # that `agreed` wants of one mind


def outcomes(scores: Scores, a: str, b: str) -> Outcomes:
    """Who won each dialogue that both systems were scored on, by every measure that has a rule for it.

    The judges of a panel stand by name before `behaviours`, their vote.
    """
    found: Outcomes = {}
    for measure in registry.rules():
        for id, of in measure.outcomes(scores, a, b).items():
            found.setdefault(id, {}).update(of)
    return dict(sorted(found.items()))


def compare(a: str, b: str, scores: Scores) -> tuple[list[dict[str, Any]], list[WinRate]]:
    """Verdicts of `a` against `b`, a row a dialogue, and win rates by every name that their outcomes have."""
    found = outcomes(scores, a, b)
    verdicts = [
        {"id": id, "a": a, "b": b, "outcomes": of, "scores": {s: _shown(scores, s, id) for s in (a, b)}}
        for id, of in found.items()
    ]
    rates = []
    for name in _names(scores):
        of_name = [of[name] for of in found.values() if name in of]
        if of_name:
            rates.append(win_rate(a, b, name, of_name))
    return verdicts, rates


def _names(scores: Scores) -> list[str]:
    """Who can win rates be by: a panel's judges, `agreed` and what it is of, then the others."""
    measures = [measure.name for measure in registry.rules()]
    judges = (judge for name in measures for judge in scores.judges(name))
    return list(dict.fromkeys((*judges, *MEASURES, AgreedMeasure.name, *measures)))


def _shown(scores: Scores, system: str, id: str) -> dict[str, Any]:
    """The scores behind a verdict."""
    shown: dict[str, Any] = {}
    for measure in registry.rules():
        shown |= measure.shown(scores, system, id)
    return shown


def control_rates(scores: Scores) -> dict[str, dict[str, WinRate]]:
    """How often each measure prefers the reply that is better by construction: measure -> control -> rate."""
    rates: dict[str, dict[str, WinRate]] = {}
    for name, pair in zip(controls.CONTROLS, controls.control_pairs(), strict=True):
        for rate in compare(*pair, scores)[1]:
            rates.setdefault(rate.measure, {})[name] = rate
    return rates
