"""The paper's question: which of two replies is the more empathetic? Asked in both orders.

A judge that answers by position contradicts itself when the replies change places; that counts as a tie. An answer
that names neither leaves the pair without a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import ClassVar

from empathic.endpoints.chat_api import Request
from empathic.endpoints.client import ask
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.judge.measures.behaviours import as_said, log_odds
from empathic.judge.measures.measure import Asking, Means, Measure, Needs, Outcomes, row
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.judge.scores import ScoreRow, Scores
from empathic.stats.win_rate import majority, outcome

ORDERS = 2
_A_B = re.compile(r"\b[AB]\b|^\W*[ab]\W*$")  # in the midst of words a small "a" is an article


@dataclass(frozen=True)
class ReplyPair:
    """Two replies to one message."""

    utterance: str
    one: str
    other: str


@cache
def _question() -> str:
    return (resources.files("empathic.judge") / "prompts" / "pairwise.txt").read_text(encoding="utf-8").strip()


def request(utterance: str, a: str, b: str) -> Request:
    """The question about two replies in this order."""
    one, other = (as_said(reply.strip()) or "(nothing)" for reply in (a, b))
    texts = {"message": as_said(utterance), "a": one, "b": other}
    shown = re.sub(r"\{(message|a|b)\}", lambda place: texts[place[1]], _question())
    return Request([{"role": "user", "content": shown}], max_tokens=1, top_logprobs=20)


def score(
    endpoint: Endpoint, pairs: Sequence[ReplyPair], ledger: Ledger, advance: Callable[[], None] = lambda: None
) -> list[float | None]:
    """1 where the judge prefers `one` in both orders, 0 where it prefers `other` in both, else 0.5.

    None where it named neither in one of the orders. `advance` is called once an answer, of which there are two a pair.
    """
    asked = []
    for pair in pairs:
        asked += [request(pair.utterance, pair.one, pair.other), request(pair.utterance, pair.other, pair.one)]
    first = [log_odds(answer, "a", "b", _A_B) for answer in ask(endpoint, asked, ledger, "pairwise", advance)]
    return [_verdict(forward, back) for forward, back in zip(first[::ORDERS], first[1::ORDERS], strict=True)]


def _verdict(forward: float | None, back: float | None) -> float | None:
    """The outcome for the reply that is A `forward` and B `back`, from the log-odds of A in both orders."""
    if forward is None or back is None:
        return None
    one, two = outcome(forward, 0.0), outcome(0.0, back)
    return one if one == two else 0.5


@dataclass(frozen=True)
class PairwiseMeasure(Measure):
    """What a judge says of two replies: a row a pair, of the first system, with the second as its question."""

    name: ClassVar[str] = "pairwise"
    title: ClassVar[str] = "side by side"
    joint: ClassVar[bool] = True
    needs: ClassVar[Needs] = "endpoint"
    no_use: ClassVar[str] = "pairs had an answer that was neither A nor B"
    judge: str = "judge"

    @classmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """The judges that are told to."""
        return [cls(judge.name) for judge in means.judges if judge.pairwise]

    def count(self, of: EvalSet) -> int:
        """Both orders of every pair of replies."""
        return ORDERS * len(self._places(of))

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterator[ScoreRow]:
        """1, 0.5 or 0 for the first system's reply; without a value where an answer named neither."""
        assert asking
        places = self._places(of)
        pairs = [ReplyPair(d.utterance, of.systems[a][d.id], of.systems[b][d.id]) for d, a, b in places]
        found = score(asking.endpoint, pairs, asking.ledger, advance)
        for (d, a, b), won in zip(places, found, strict=True):
            yield row(self, a, d.id, won, b)

    @staticmethod
    def _places(of: EvalSet) -> list[tuple[EvalDialogue, str, str]]:
        """Dialogues that both systems of a pair answer, and the pair."""
        return [(d, a, b) for d in of.dialogues for a, b in of.pairs if d.id in of.systems[a] and d.id in of.systems[b]]

    @classmethod
    def outcomes(cls, scores: Scores, a: str, b: str) -> Outcomes:
        """By the vote of the judges, whichever way round the pair was given."""
        votes: dict[str, list[float]] = {}
        for judge in scores.judges(cls.name):
            for id, won in scores.answers(cls.name, judge, a).items():
                votes.setdefault(id, []).extend([won[b]] if b in won else [])
            for id, won in scores.answers(cls.name, judge, b).items():
                votes.setdefault(id, []).extend([1 - won[a]] if a in won else [])
        return {id: {cls.name: majority(said)} for id, said in votes.items() if said}
