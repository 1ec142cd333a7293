"""Words of a reply. They decide nothing: win rates at equal lengths go by them."""

from __future__ import annotations

from typing import Any, ClassVar

from empathic.judge.measures.measure import Outcomes, ReplyMeasure
from empathic.judge.replies import EvalDialogue
from empathic.judge.scores import Scores


class WordsMeasure(ReplyMeasure):
    """How many words a reply has."""

    name: ClassVar[str] = "words"

    def value(self, dialogue: EvalDialogue, reply: str) -> float:
        """Its words."""
        return len(reply.split())

    @classmethod
    def outcomes(cls, scores: Scores, a: str, b: str) -> Outcomes:
        """None: a longer reply is not a better one."""
        return {}

    @classmethod
    def shown(cls, scores: Scores, system: str, id: str) -> dict[str, Any]:
        """Nothing: a verdict doesn't go by them."""
        return {}
