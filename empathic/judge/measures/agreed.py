"""Agreed: what two measures that fail in different ways say alike. It has no scores of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from empathic.judge.measures.behaviours import BehavioursMeasure
from empathic.judge.measures.measure import Asking, Means, Measure, Needs, Outcomes
from empathic.judge.measures.specificity import SpecificityMeasure
from empathic.judge.replies import EvalSet
from empathic.judge.scores import ScoreRow, Scores
from empathic.stats.win_rate import unanimous

OF: tuple[type[Measure], ...] = (BehavioursMeasure, SpecificityMeasure)  # that have to be of one mind


@dataclass(frozen=True)
class AgreedMeasure(Measure):
    """A win only where both measures say so, a loss likewise, else a tie."""

    name: ClassVar[str] = "agreed"
    title: ClassVar[str] = "agreed by both"
    joint: ClassVar[bool] = True
    needs: ClassVar[Needs] = "nothing"
    judge: str = ""

    @classmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """None: there is nothing to score."""
        return []

    def count(self, of: EvalSet) -> int:
        """None."""
        return 0

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterable[ScoreRow]:
        """None."""
        return ()

    @classmethod
    def outcomes(cls, scores: Scores, a: str, b: str) -> Outcomes:
        """On the dialogues on which both have a say."""
        first, *others = [(measure.name, measure.outcomes(scores, a, b)) for measure in OF]
        said = {id: [of[first[0]]] for id, of in first[1].items()}
        for name, by_id in others:
            said = {id: [*votes, by_id[id][name]] for id, votes in said.items() if id in by_id}
        return {id: {cls.name: unanimous(votes)} for id, votes in said.items()}
