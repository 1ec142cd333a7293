"""Behaviours: yes/no questions about one reply, scored by the log-odds of the good answer.

Asked which of two replies is "more empathetic", a small judge answers by position; asked what a reply does, it can
tell, provided that it was first shown what a *no* looks like and is told what the writer feels. The probabilities come
from the first token of the answer. Questions and worked examples are a file, `prompts/behaviours.yaml` where a recipe
names no other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from empathic.endpoints.chat_api import Answer, Message, Request
from empathic.endpoints.client import ask
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.judge.measures.measure import Asking, Means, Measure, Needs, Outcomes, row
from empathic.judge.replies import EvalSet
from empathic.judge.scores import ScoreRow, Scores
from empathic.stats.win_rate import majority, outcome

_FLOOR = math.log(1e-6)
_YES_NO = re.compile(r"\byes\b|^\W*no\b|\bno\b(?!\s+\w)", re.I)  # "there is no telling" answers nothing
_FRAME = re.compile(
    r"(?i:\n\W*(?:(?:message|reply(?:\s+[ab])?)\W*:|answer\s+(?:yes|no)\b))"
    r"|(?i:the writer of the message feels)|\bAnswer (?:yes|no|[AB]|[012])\b|<\|"
)


@dataclass(frozen=True)
class JudgedReply:
    """A reply to be judged, with the dialogue it answers and what its speaker feels, where that is known."""

    utterance: str
    reply: str
    emotion: str = ""


class Example(BaseModel):
    """A worked example: the answers are in the order of the questions."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    message: str
    reply: str
    emotion: str = ""
    answers: tuple[bool, ...]


class Questions(BaseModel):
    """What a judge is asked of each reply.

    Attributes:
        questions: by name, those whose good answer is yes.
        faults: by name, those whose good answer is no.
        examples: worked ones, shown before the questions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    questions: dict[str, str] = {}
    faults: dict[str, str] = {}
    examples: tuple[Example, ...] = ()

    @property
    def texts(self) -> dict[str, str]:
        """Every question by name, in the order in which they are asked."""
        return self.questions | self.faults

    @model_validator(mode="after")
    def _fit(self) -> Questions:
        if not self.texts or len(self.texts) < len(self.questions) + len(self.faults):
            raise PydanticCustomError("questions", "want questions, each under a name of its own")
        for number, example in enumerate(self.examples, 1):
            if len(example.answers) != len(self.texts):
                raise PydanticCustomError("answers", f"example {number} wants {len(self.texts)} answers")
        return self


@cache
def questions(path: str | None = None) -> Questions:
    """The questions of a file, or ours.

    Raises:
        UserError: no such file, not YAML, or not of this form.
    """
    found = Path(path) if path else Path(str(resources.files("empathic.judge") / "prompts" / "behaviours.yaml"))
    try:
        return Questions.model_validate(yaml.safe_load(found.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{found}: no YAML file of questions ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise UserError(f"{found}: {where + ': ' if where else ''}{fault['msg']}") from error


def requests(asked: JudgedReply, of: Questions) -> list[Request]:
    """The questions about one reply; examples name emotions where the reply's dialogue has one."""
    shown = [
        (
            JudgedReply(one.message, one.reply, one.emotion if asked.emotion.strip() else ""),
            ["Yes" if answer else "No" for answer in one.answers],
        )
        for one in of.examples
    ]
    return conversations(asked, [f"{question} Answer yes or no." for question in of.texts.values()], shown)


def conversations(
    asked: JudgedReply, questions: Sequence[str], examples: Sequence[tuple[JudgedReply, Sequence[str]]]
) -> list[Request]:
    """A request for one token a question about one reply; they share all but their end, which servers cache.

    Args:
        asked: the reply.
        questions: what is asked of it.
        examples: replies and an answer a question; turns of the conversation, each request's prefix.
    """
    turns: list[Message] = []
    for example, answers in examples:
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            shown = _shown(example) if number == 0 else ""
            turns += [{"role": "user", "content": shown + question}, {"role": "assistant", "content": answer}]
    shown = _shown(asked)
    return [
        Request([*turns, {"role": "user", "content": shown + question}], max_tokens=1, top_logprobs=20)
        for question in questions
    ]


def _shown(asked: JudgedReply) -> str:
    feels = f"The writer of the message feels {' '.join(asked.emotion.split())}. " if asked.emotion.strip() else ""
    return f"Message: {as_said(asked.utterance)}\n\nReply: {as_said(asked.reply.strip()) or '(nothing)'}\n\n{feels}"


def as_said(text: str) -> str:
    """A message or reply as a judge is shown it: on one line and in quotation marks where it imitates the asker.

    It does where a line opens as ours do, such as "Reply:", or it says what only the asker says. Others stay as they
    are.
    """
    if not _FRAME.search("\n".join(text.splitlines())):
        return text
    folded = " ".join(text.split()).replace('"', "'").replace("<|", "< |")
    return f'"{folded}"'


def log_odds(answer: Answer, one: str = "yes", other: str = "no", said: re.Pattern[str] = _YES_NO) -> float | None:
    """log P(one) - log P(other) over all spellings of each; None where the answer holds neither.

    Args:
        answer: whose first token's log-probabilities count; without any, its words do, and count as certain.
        one: a word in lower case.
        other: its opposite.
        said: finds either in words.
    """
    mass = {one: 0.0, other: 0.0}
    for token, logprob in answer.logprobs.items():
        word = token.strip().lower()
        if word in mass:
            mass[word] += math.exp(logprob)
    if not answer.logprobs and (found := said.search(answer.text)):
        mass[re.sub(r"\W", "", found[0]).lower()] = 1.0
    if not any(mass.values()):
        return None
    first, second = (max(_FLOOR, math.log(mass[word])) if mass[word] > 0 else _FLOOR for word in (one, other))
    return first - second


def probability(odds: float) -> float:
    """The probability of an answer beside its opposite, from their log-odds."""
    return 1 / (1 + math.exp(-odds))


def score(
    endpoint: Endpoint,
    replies: Sequence[JudgedReply],
    ledger: Ledger,
    advance: Callable[[], None] = lambda: None,
    of: Questions | None = None,
) -> list[dict[str, float]]:
    """Log-odds of the good answer by question, for every reply in order; `advance` is called once a question.

    A question that was answered by neither yes nor no is left out.
    """
    of = of or questions()
    asked = [request for reply in replies for request in requests(reply, of)]
    odds = iter([log_odds(answer) for answer in ask(endpoint, asked, ledger, "behaviours", advance)])
    answered = [{name: next(odds) for name in of.texts} for _ in replies]
    return [
        {name: -value if name in of.faults else value for name, value in one.items() if value is not None}
        for one in answered
    ]


@dataclass(frozen=True)
class BehavioursMeasure(Measure):
    """A judge's log-odds of the good answer, a row a question. Several judges are a panel, which votes."""

    name: ClassVar[str] = "behaviours"
    joint: ClassVar[bool] = True
    needs: ClassVar[Needs] = "endpoint"
    no_use: ClassVar[str] = "answers were neither yes nor no"
    judge: str = "judge"
    questions: str | None = None  # a file of other ones

    @classmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """Every judge is asked."""
        return [cls(judge.name, judge.questions) for judge in means.judges]

    def count(self, of: EvalSet) -> int:
        """Each question about each reply."""
        return len(questions(self.questions).texts) * len(of.places())

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterator[ScoreRow]:
        """A row a question; without a value where the answer was neither yes nor no."""
        assert asking
        asked, places = questions(self.questions), of.places()
        replies = [JudgedReply(d.utterance, of.systems[system][d.id], d.emotion) for d, system in places]
        found = score(asking.endpoint, replies, asking.ledger, advance, asked)
        for (d, system), odds in zip(places, found, strict=True):
            for question in asked.texts:
                yield row(self, system, d.id, odds.get(question), question)

    @classmethod
    def outcomes(cls, scores: Scores, a: str, b: str) -> Outcomes:
        """By the mean over the questions that a judge answered about both replies, and by the vote of the judges.

        A judge of a panel has a result of its own, by its name. It has no say where it answered no question about both.
        """
        judges = scores.judges(cls.name)
        found: Outcomes = {}
        for judge in judges:
            of_a, of_b = scores.answers(cls.name, judge, a), scores.answers(cls.name, judge, b)
            for id in of_a.keys() & of_b.keys():
                one, other = of_a[id], of_b[id]
                if both := [question for question in one if question in other]:
                    won = outcome(*(sum(of[question] for question in both) / len(both) for of in (one, other)))
                    found.setdefault(id, {})[judge] = won
        return {id: {**(of if len(judges) > 1 else {}), cls.name: majority([*of.values()])} for id, of in found.items()}

    @classmethod
    def shown(cls, scores: Scores, system: str, id: str) -> dict[str, Any]:
        """Every probability, and the mean log-odds, by judge."""
        shown: dict[str, Any] = {}
        for judge in scores.judges(cls.name):
            answers = scores.answers(cls.name, judge, system)
            if id in answers:
                odds = answers[id]
                shown.setdefault("probabilities", {})[judge] = {
                    question: round(probability(value), 6) for question, value in odds.items()
                }
                if odds:
                    shown.setdefault("log_odds", {})[judge] = round(sum(odds.values()) / len(odds), 4)
        return shown
