"""EPITOME's levels: how strongly a reply shows each of three behaviours, 0 to 2, asked of any endpoint.

Emotional reactions, interpretations and explorations are those of Sharma et al. (2020, arXiv 2009.08441); questions,
levels and examples are ours, in `prompts/levels.yaml`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, ClassVar, Protocol

import yaml

from empathic.endpoints.chat_api import Answer, Request
from empathic.endpoints.client import ask
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.judge.measures.behaviours import JudgedReply, conversations
from empathic.judge.measures.measure import Asking, Means, Measure, Needs, Outcomes, row
from empathic.judge.replies import EvalSet
from empathic.judge.scores import ScoreRow, Scores
from empathic.stats.win_rate import outcome

BEHAVIOURS = ("emotional_reactions", "interpretations", "explorations")
LEVELS = (0, 1, 2)
LevelProbabilities = tuple[float, float, float]  # of the levels 0, 1 and 2


@dataclass(frozen=True)
class LabelledReply:
    """A reply to a post, and people's level of each behaviour."""

    id: str
    post: str
    asked: JudgedReply
    levels: dict[str, int]


@cache
def _prompts() -> Any:
    text = (resources.files("empathic.judge") / "prompts" / "levels.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def requests(asked: JudgedReply) -> list[Request]:
    """The three questions about one reply."""
    shown = [(JudgedReply(one["message"], one["reply"]), [*map(str, one["answers"])]) for one in _prompts()["examples"]]
    return conversations(asked, [_question(name) for name in BEHAVIOURS], shown)


def _question(name: str) -> str:
    about = _prompts()["behaviours"][name]
    levels = "\n".join(f"{level}: {text}" for level, text in zip(LEVELS, about["levels"], strict=True))
    return f"{about['question']}\n{levels}\nAnswer 0, 1 or 2."


def probabilities(answer: Answer) -> LevelProbabilities | None:
    """The probabilities of the levels, by what they have of the first token; None where the answer names no level.

    A judge without log-probabilities is taken at its word.
    """
    mass = [0.0, 0.0, 0.0]
    for token, logprob in answer.logprobs.items():
        if token.strip() in ("0", "1", "2"):
            mass[int(token)] += math.exp(logprob)
    if not answer.logprobs and (said := re.search(r"\b[012]\b", answer.text)):
        mass[int(said[0])] = 1.0
    total = sum(mass)
    return (mass[0] / total, mass[1] / total, mass[2] / total) if total else None


def expected_level(of: LevelProbabilities) -> float:
    """The mean level, 0 to 2."""
    return of[1] + 2 * of[2]


def argmax_level(of: LevelProbabilities) -> int:
    """The level of the highest probability."""
    return max(LEVELS, key=lambda level: of[level])


def score(
    endpoint: Endpoint, replies: Sequence[JudgedReply], ledger: Ledger, advance: Callable[[], None] = lambda: None
) -> list[dict[str, LevelProbabilities | None]]:
    """The probabilities of the levels by behaviour, for every reply in order; `advance` is called once a question."""
    asked = [request for reply in replies for request in requests(reply)]
    found = iter([probabilities(answer) for answer in ask(endpoint, asked, ledger, "levels", advance)])
    return [{name: next(found) for name in BEHAVIOURS} for _ in replies]


class ByLevels(Measure, Protocol):
    """Whoever says levels: rows of the expected level of each behaviour, 0 to 2, and the rule that goes by them."""

    name: ClassVar[str] = "levels"

    @classmethod
    def level(cls, scores: Scores, system: str, id: str) -> float | None:
        """The mean level by all who were asked; None where one of them lacks one of the three."""
        judges = scores.judges(cls.name)
        of = [scores.answers(cls.name, judge, system).get(id, {}) for judge in judges]
        means = [sum(levels.values()) / len(levels) for levels in of if len(levels) == len(BEHAVIOURS)]
        return sum(means) / len(means) if means and len(means) == len(judges) else None

    @classmethod
    def outcomes(cls, scores: Scores, a: str, b: str) -> Outcomes:
        """The reply of the higher mean level wins."""
        found: Outcomes = {}
        for id in {id: None for judge in scores.judges(cls.name) for id in scores.answers(cls.name, judge, a)}:
            mine, theirs = cls.level(scores, a, id), cls.level(scores, b, id)
            if mine is not None and theirs is not None:
                found[id] = {cls.name: outcome(mine, theirs)}
        return found

    @classmethod
    def shown(cls, scores: Scores, system: str, id: str) -> dict[str, Any]:
        """The mean level."""
        level = cls.level(scores, system, id)
        return {} if level is None else {cls.name: round(level, 4)}


@dataclass(frozen=True)
class LevelsMeasure(ByLevels):
    """A judge's levels, where it is told to say them."""

    needs: ClassVar[Needs] = "endpoint"
    no_use: ClassVar[str] = "answers named no level"
    joint: ClassVar[bool] = True
    judge: str = "judge"

    @classmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """The judges that are told to."""
        return [cls(judge.name) for judge in means.judges if judge.levels]

    def count(self, of: EvalSet) -> int:
        """Each behaviour of each reply."""
        return len(BEHAVIOURS) * len(of.places())

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterator[ScoreRow]:
        """A row a behaviour; without a value where the answer named no level."""
        assert asking
        places = of.places()
        replies = [JudgedReply(d.utterance, of.systems[system][d.id]) for d, system in places]
        found = score(asking.endpoint, replies, asking.ledger, advance)
        for (d, system), by_behaviour in zip(places, found, strict=True):
            for name, level in by_behaviour.items():
                yield row(self, system, d.id, expected_level(level) if level else None, name)
