"""The paper's question: which of two replies is the more empathetic? Asked in both orders.

A judge that answers by position contradicts itself when the replies change places; that counts as a tie, and so does
an answer that names neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from empathic.client import ask
from empathic.endpoint import Endpoint
from empathic.judge.behaviours import log_odds
from empathic.judge.winrate import outcome
from empathic.ledger import Ledger
from empathic.wire import Request

ORDERS = 2


@dataclass(frozen=True)
class Pair:
    """Two replies to one message."""

    utterance: str
    one: str
    other: str


@cache
def _question() -> str:
    return (resources.files("empathic.judge") / "prompts" / "pairwise.txt").read_text(encoding="utf-8").strip()


def request(utterance: str, a: str, b: str) -> Request:
    """The question about two replies in this order."""
    texts = {"message": utterance, "a": a.strip() or "(nothing)", "b": b.strip() or "(nothing)"}
    shown = re.sub(r"\{(message|a|b)\}", lambda place: texts[place[1]], _question())
    return Request([{"role": "user", "content": shown}], max_tokens=1, top_logprobs=20)


def score(
    endpoint: Endpoint, pairs: Sequence[Pair], ledger: Ledger, advance: Callable[[], None] = lambda: None
) -> list[float]:
    """1 where the judge prefers `one` in both orders, 0 where it prefers `other` in both, else 0.5.

    `advance` is called once an answer, of which there are two a pair.
    """
    asked = []
    for pair in pairs:
        asked += [request(pair.utterance, pair.one, pair.other), request(pair.utterance, pair.other, pair.one)]
    first = [log_odds(answer, "a", "b") for answer in ask(endpoint, asked, ledger, "pairwise", advance)]
    found = [(outcome(first[i], 0.0), outcome(0.0, first[i + 1])) for i in range(0, len(first), ORDERS)]
    return [forward if forward == back else 0.5 for forward, back in found]
