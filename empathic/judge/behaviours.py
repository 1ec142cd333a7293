"""Behaviours: three yes/no questions about one reply, scored by the log-odds of *yes*.

Asked which of two replies is "more empathetic", a small judge answers by position; asked what a reply does,
it can tell. The probabilities come from the first token of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from empathic.endpoint import Answer, Endpoint, Request, ask
from empathic.ledger import Ledger

QUESTIONS = {
    "understands": "Does the reply understand what the message says?",
    "feeling": "Does the reply respond to the right feeling?",
    "natural": "Is the reply natural and free of repetition?",
}
_FLOOR = math.log(1e-6)


@dataclass(frozen=True)
class Asked:
    """A reply to be judged, with the dialogue it answers."""

    utterance: str
    reply: str


def requests(asked: Asked) -> list[Request]:
    """The three questions about one reply; they share all but their last line, which servers cache."""
    shown = f"Message: {asked.utterance}\n\nReply: {asked.reply.strip() or '(nothing)'}\n\n"
    return [
        Request(
            messages=[{"role": "user", "content": f"{shown}{question} Answer yes or no."}],
            max_tokens=1,
            top_logprobs=20,
        )
        for question in QUESTIONS.values()
    ]


def log_odds(answer: Answer) -> float:
    """log P(yes) - log P(no) over all spellings of each; a judge without log-probabilities counts as certain."""
    mass = {"yes": 0.0, "no": 0.0}
    for token, logprob in answer.logprobs.items():
        word = token.strip().lower()
        if word in mass:
            mass[word] += math.exp(logprob)
    if not answer.logprobs:
        said = answer.text.strip().lower()
        mass["yes" if said.startswith("yes") else "no"] = 1.0
    yes, no = (max(_FLOOR, math.log(mass[word])) if mass[word] > 0 else _FLOOR for word in ("yes", "no"))
    return yes - no


def probability(odds: float) -> float:
    """P(yes) of *yes* and *no* together, from their log-odds."""
    return 1 / (1 + math.exp(-odds))


def score(
    endpoint: Endpoint, replies: Sequence[Asked], ledger: Ledger, advance: Callable[[], None] = lambda: None
) -> list[dict[str, float]]:
    """Log-odds of *yes* by question, for every reply in order; `advance` is called once a question."""
    asked = [request for reply in replies for request in requests(reply)]
    odds = [log_odds(answer) for answer in ask(endpoint, asked, ledger, "behaviours", advance)]
    each = len(QUESTIONS)
    return [dict(zip(QUESTIONS, odds[i * each : (i + 1) * each], strict=True)) for i in range(len(replies))]
