"""Behaviours: three yes/no questions about one reply, scored by the log-odds of *yes*.

Asked which of two replies is "more empathetic", a small judge answers by position; asked what a reply does,
it can tell, provided it was first shown what a *no* looks like: without the examples the default judge says yes to
one sentence said ten times (docs/log.md). The probabilities come from the first token of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from empathic.client import Answer, Message, Request, ask
from empathic.endpoint import Endpoint
from empathic.ledger import Ledger

QUESTIONS = {
    "understands": "Does the reply understand what the message says?",
    "feeling": "Does the reply respond to the right feeling?",
    "natural": "Is the reply natural and free of repetition?",
}
EXAMPLES = (  # message, reply, and the answers to the questions in order; none is a dialogue of a corpus
    (
        "The landlord put the rent up again, third time.",
        "A long night in the rent, and the door is the kind of door that waits. What's the colour of it?",
        ("No", "No", "No"),
    ),
    (
        "my exam got cancelled the night before and i'd stayed up three days for it",
        "Three nights of cramming, and then no exam! No wonder you're worn out and a bit furious. "
        "Will they set a new date?",
        ("Yes", "Yes", "Yes"),
    ),
    (
        "We won! First time the school has ever won the relay and I ran the last leg.",
        "I'm glad to hear that you ran the relay. I'm sure you'll do well in the relay. "
        "I'm sure you'll do well in the relay. I'm sure you'll do well in the relay. I'm sure you'll do well",
        ("No", "No", "No"),
    ),
    (
        "He left his boots by the door. It's been a year and I can't move them.",
        "Moving the boots would make it final, so they stay. A year is not long when you miss someone that much.",
        ("Yes", "Yes", "Yes"),
    ),
    (
        "My sister hasn't spoken to me since the wedding.",
        "I'm sorry to hear that. Congratulations on the new job, I hope the team is kind to you.",
        ("No", "No", "Yes"),
    ),
)
_FLOOR = math.log(1e-6)


@dataclass(frozen=True)
class Asked:
    """A reply to be judged, with the dialogue it answers."""

    utterance: str
    reply: str


def requests(asked: Asked) -> list[Request]:
    """The three questions about one reply; they share all but their last line, which servers cache."""
    examples, shown = _examples(), _shown(asked.utterance, asked.reply)
    return [
        Request([*examples, {"role": "user", "content": f"{shown}{_ask(question)}"}], max_tokens=1, top_logprobs=20)
        for question in QUESTIONS.values()
    ]


def _examples() -> list[Message]:
    """The examples as turns of the conversation, so that a server keeps them as every request's prefix."""
    turns = []
    for message, reply, answers in EXAMPLES:
        for number, (question, answer) in enumerate(zip(QUESTIONS.values(), answers, strict=True)):
            shown = _shown(message, reply) if number == 0 else ""
            turns += [
                {"role": "user", "content": f"{shown}{_ask(question)}"},
                {"role": "assistant", "content": answer},
            ]
    return turns


def _shown(utterance: str, reply: str) -> str:
    return f"Message: {utterance}\n\nReply: {reply.strip() or '(nothing)'}\n\n"


def _ask(question: str) -> str:
    return f"{question} Answer yes or no."


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
