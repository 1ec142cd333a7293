"""What an endpoint is asked so that it shows what it can do: few short questions, none of them kept."""

from __future__ import annotations

from empathic.endpoints.chat_api import IN_WORDS, Message, Request
from empathic.endpoints.pricing import Prices, cost, estimated_tokens
from empathic.judge.measures import behaviours

ROOM = 256  # tokens of an answer, as a teacher has by default: a model may think first
_SAID = "My dog died on Sunday, and the house is so still."
_GOOD, _BAD = (
    "Sunday, and no paws on the stairs since. That silence must be hard to come home to.",
    "Well done, what luck!",
)

_REPLY = f"Somebody says: {_SAID!r} Reply in one short sentence."
TEACHER = Request([{"role": "user", "content": _REPLY}], ROOM, 1.0)
WORD = "KIWI"
SYSTEM = Request(
    [
        {"role": "system", "content": f"Whatever you are asked, answer with the one word {WORD}."},
        {"role": "user", "content": "What colour is the sky?"},
    ],
    ROOM,
)


def _drawn(seed: int) -> Request:
    asked = "Write down any number between one and a million, in digits and nothing else."
    return Request([{"role": "user", "content": asked}], ROOM, 1.0, seed=seed)


SEEDS = (_drawn(11), _drawn(11), _drawn(12))
PACE = tuple(
    Request([{"role": "user", "content": f"Name one thing that one finds in {place}. One word."}], ROOM)
    for place in ("a kitchen", "a forest", "a harbour", "a school", "an attic", "a garden")
)
STREAMED: list[Message] = [{"role": "user", "content": "Say hello in one word."}]
_JUDGED = tuple(behaviours.JudgedReply(_SAID, reply, "sad") for reply in (_GOOD, _BAD))


def of_a_judge() -> list[list[Request]]:
    """A judge's own questions about a good reply, and about a bad one."""
    return [behaviours.requests(reply, behaviours.questions()) for reply in _JUDGED]


def of_roles(teacher: bool, judge: bool) -> list[Request]:
    """All that is asked of an endpoint in these roles, but for one stream."""
    streamed = Request(STREAMED, ROOM)
    asked = [TEACHER, SYSTEM, *SEEDS, *PACE, streamed] if teacher else [SYSTEM, *PACE, streamed]
    return asked + ([request for some in of_a_judge() for request in some] if judge else [])


def announced(asked: list[Request], prices: Prices | None) -> str:
    """How much is asked and what it costs at most, before it is."""
    read = sum(estimated_tokens(message["content"]) for request in asked for message in request.messages)
    written = sum(IN_WORDS if request.top_logprobs else request.max_tokens for request in asked)
    most = f", ${cost(prices, (read, written)):.2f} at most" if prices else ""
    return f"{len(asked)} short questions, some {read:,} tokens read and at most {written:,} written{most}"
