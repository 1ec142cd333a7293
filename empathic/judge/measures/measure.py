"""What every measure is: something that says scores of replies, and a rule by which they decide between two systems.

To add one, write a class here beside the others and name it in `registry.py`. A score a reply that asks nobody is a
`ReplyMeasure`, which needs a name and the score.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.judge.scores import ScoreRow, Scores
from empathic.recipe import Judge
from empathic.stats.win_rate import outcome

Needs = Literal["endpoint", "model", "nothing"]
Outcomes = dict[str, dict[str, float]]  # dialogue id -> name in the results -> 1, 0.5 or 0 for the first system


@dataclass(frozen=True)
class Means:
    """What there is to score with.

    Attributes:
        judges: who can be asked.
        models: what measures that need a model score with, by the measure's name; those without one are left out.
        seed: of what a measure draws.
    """

    judges: Sequence[Judge] = ()
    models: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Asking:
    """A judge while it can be reached, and where its answers are kept."""

    endpoint: Endpoint
    ledger: Ledger


class Measure(Protocol):
    """One way of scoring replies, bound to a judge or a model where it needs one.

    The rule of a measure reads rows alone, so that it also holds for scores that were read from a file. That is why
    `outcomes` and `shown` belong to the class.

    Attributes:
        name: in rows and results.
        needs: what it takes to score.
        no_use: what is said of so many answers that were of no use.
        title: what readers call it; "" where that is its name.
        joint: whether its results are of all judges together.
        judge: who is asked; "" where nobody is.
    """

    name: ClassVar[str]
    needs: ClassVar[Needs]
    no_use: ClassVar[str] = "answers were of no use"
    title: ClassVar[str] = ""
    joint: ClassVar[bool] = False
    judge: str

    @classmethod
    @abstractmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """One for each judge that is to be asked, one for a model that is there, or one that needs neither."""

    @abstractmethod
    def count(self, of: EvalSet) -> int:
        """How many questions it asks, or replies it puts to its model; 0 where it needs nothing."""

    @abstractmethod
    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterable[ScoreRow]:
        """The rows of a set; `advance` is called once for each of `count`. `asking` is there where it needs one."""

    def lacks(self, of: EvalSet) -> str | None:
        """What it takes that a set doesn't have, in words; such a set isn't scored."""
        return None

    @classmethod
    def outcomes(cls, scores: Scores, a: str, b: str) -> Outcomes:
        """Who won each dialogue that both systems were scored on. None, where a measure says nothing of pairs."""
        return {}

    @classmethod
    def shown(cls, scores: Scores, system: str, id: str) -> dict[str, Any]:
        """What a verdict shows of one reply's scores."""
        return {}


def row(of: Measure, system: str, id: str | None, value: float | None, question: str = "") -> ScoreRow:
    """A row of a measure's."""
    return ScoreRow(of.name, of.judge, system, id, question, value)


class ValueMeasure(Measure, Protocol):
    """A measure of one score a reply that asks no judge: the higher one wins."""

    @classmethod
    def outcomes(cls, scores: Scores, a: str, b: str) -> Outcomes:
        """The reply of the higher score wins."""
        one, other = scores.values(cls.name, a), scores.values(cls.name, b)
        return {id: {cls.name: outcome(value, other[id])} for id, value in one.items() if id in other}

    @classmethod
    def shown(cls, scores: Scores, system: str, id: str) -> dict[str, Any]:
        """The score."""
        (value,) = scores.answers(cls.name, "", system).get(id, {}).values() or (None,)
        return {} if value is None else {cls.name: round(value, 4)}


class ModelMeasure(Measure, Protocol):
    """A measure that scores every reply by a model, where there is one; made of the model alone."""

    needs: ClassVar[Needs] = "model"
    judge: str = ""

    @classmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """One, where there is its model."""
        made: Callable[[Any], Measure] = cls
        return [made(means.models[cls.name])] if cls.name in means.models else []

    def count(self, of: EvalSet) -> int:
        """Every reply."""
        return len(of.places(every=True))


class ReplyMeasure(ValueMeasure):
    """A score a reply that needs neither a judge nor a model. What it takes is `name` and `value`."""

    needs: ClassVar[Needs] = "nothing"
    judge = ""

    @classmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """One: it needs nothing."""
        return [cls()]

    def count(self, of: EvalSet) -> int:
        """None: it asks nothing."""
        return 0

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterable[ScoreRow]:
        """A row a reply of the systems that judges are asked about."""
        return [row(self, system, d.id, self.value(d, of.systems[system][d.id])) for d, system in of.places()]

    @abstractmethod
    def value(self, dialogue: EvalDialogue, reply: str) -> float:
        """The score of one reply."""
