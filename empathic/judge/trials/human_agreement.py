"""A judge measured against people: its levels beside theirs, its preferences beside theirs."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.judge import verdicts
from empathic.judge.measures import levels
from empathic.judge.measures.epitome import Scorer
from empathic.judge.measures.levels import LabelledReply
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.judge.scoring import opened, scored
from empathic.judge.trials.human_labels import Rated
from empathic.recipe import Judge
from empathic.stats.agreement import Agreement, agreement
from empathic.stats.paired import Difference, paired_difference
from empathic.stats.win_rate import WinRate, rounded

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Levels:
    """How far a judge's levels of one behaviour are people's.

    Attributes:
        agreement: of the likeliest levels.
        order: Spearman's rank correlation of the expected levels, which a judge that is too mild or too strict can
            still have right; None where either side has one level alone.
        unanswered: how many replies it named no level for.
    """

    agreement: Agreement
    order: float | None
    unanswered: int

    def to_row(self) -> dict[str, Any]:
        """The figures as a row."""
        order = None if self.order is None else round(self.order, 4)
        return {**rounded(self.agreement), "order": order, "unanswered": self.unanswered}


def of_levels(
    rows: Sequence[LabelledReply],
    judge: Judge,
    ledger: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> dict[str, Levels]:
    """A judge's agreement with people by behaviour, over labelled replies.

    Raises:
        UserError: an endpoint that can't be reached, or a judge that never names a level.
    """
    total, done = len(rows) * len(levels.BEHAVIOURS), itertools.count(1)
    where, more = judge.endpoint, judge.extra_body
    reached = open_endpoint(where, judge.model, judge.key_env, log=_warn, extra_body=more)
    with opened(ledger) as kept, reached as endpoint:
        asked = [row.asked for row in rows]
        found = levels.score(endpoint, asked, kept, lambda: progress(next(done), total))
    if silent := [name for name in levels.BEHAVIOURS if not any(of[name] for of in found)]:
        raise UserError(f"{judge.endpoint}: names no level of {silent[0]} for any reply; it can't be asked this")
    return _beside_people(rows, found)


def of_scorer(
    rows: Sequence[LabelledReply], scorer: Scorer, progress: Progress = lambda done, total: None
) -> dict[str, Levels]:
    """A trained scorer's agreement with people by behaviour, over labelled replies."""
    done = itertools.count(1)
    found = scorer.probabilities([row.asked for row in rows], lambda: progress(next(done), len(rows)))
    return _beside_people(rows, found)


def _beside_people(
    rows: Sequence[LabelledReply], found: Sequence[Mapping[str, levels.LevelProbabilities | None]]
) -> dict[str, Levels]:
    by_behaviour = {}
    for name in levels.BEHAVIOURS:
        named = [(row, probabilities) for row, of in zip(rows, found, strict=True) if (probabilities := of[name])]
        theirs = [row.levels[name] for row, _ in named]
        its = [levels.argmax_level(probabilities) for _, probabilities in named]
        agrees = agreement(theirs, its, [row.post for row, _ in named])
        order = _order(theirs, [levels.expected_level(probabilities) for _, probabilities in named])
        by_behaviour[name] = Levels(agrees, order, len(rows) - len(named))
    return by_behaviour


def _order(theirs: Sequence[float], its: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None where there is no order to compare."""
    from scipy.stats import spearmanr

    return float(spearmanr(theirs, its).statistic) if len(set(theirs)) > 1 and len(set(its)) > 1 else None


@dataclass(frozen=True)
class Preferences:
    """How often each way of asking prefers the reply that people rated higher, and by how much ours does more often."""

    rates: list[WinRate]
    over_pairwise: Difference  # behaviours less the paper's question, on the pairs that both were asked about

    def to_row(self) -> dict[str, Any]:
        """The figures as JSON has them."""
        return {"rates": [rate.to_row() for rate in self.rates], "over_pairwise": rounded(self.over_pairwise)}


def of_preferences(
    pairs: Sequence[Rated],
    judge: Judge,
    ledger: Path | None = None,
    progress: Progress = lambda done, total: None,
    seed: int = 0,
) -> Preferences:
    """A judge's preferences beside people's; `judge.pairwise` must be set.

    Raises:
        UserError: an endpoint that can't be reached, or fewer than two pairs.
    """
    tested = [EvalDialogue(pair.id, pair.utterance, pair.emotion) for pair in pairs]
    systems = {"good": {pair.id: pair.good for pair in pairs}, "bad": {pair.id: pair.bad for pair in pairs}}
    (scores,) = scored([EvalSet(tested, systems, [("good", "bad")])], judge, ledger, progress, seed)
    found = verdicts.outcomes(scores, "good", "bad")
    ours, theirs = (
        {id: of[measure] for id, of in found.items() if measure in of} for measure in ("behaviours", "pairwise")
    )
    return Preferences(verdicts.compare("good", "bad", scores)[1], paired_difference(ours, theirs))


def _warn(line: str) -> None:
    print(line, file=sys.stderr)
