"""The paper's question: which of two replies is the more empathetic? Asked in both orders.

A judge that answers by position contradicts itself when the replies change places; that counts as a tie. An answer
that names neither leaves the pair without a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from empathic.endpoints.chat_api import Request
from empathic.endpoints.client import ask
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.judge.measures.behaviours import as_said, log_odds
from empathic.stats.win_rate import outcome

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
