"""A conversation that every engine is timed on, and what is kept of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

CONTEXT, WRITTEN = 2048, 24  # tokens of a conversation, and of a reply at most
FIRST = "My brother rang from the airport at six this morning to say that he isn't coming."
SAID = (
    "I burnt the cake for my daughter's seventh birthday and the guests come in an hour.",
    "The shop had one left, a blue one, and she wanted pink so badly all year.",
    "My mother said on the phone that I never plan anything properly, not even this.",
    "Then my neighbour came over with a bag of sugar flowers from her own kitchen.",
    "We put them on together and they are pink, every single one of the thirty.",
    "The little one came home early and stood in the door and didn't say a word.",
    "She asked whether she may keep one flower in a box for always, just one.",
    "Now they are all in the garden with the hose, and it is far too cold.",
    "My mother rang again and asked how it went, and I told her it went fine.",
    "I think I was more afraid of her than of seven children, if I am honest.",
    "Anyway, they are gone, there is cake in my hair, and I am so happy.",
)
LONG = "We sat by the river until it was dark and nobody wanted to go home. " * 16  # some 250 tokens


def row(
    load: float, reading: Sequence[float], firsts: Sequence[float], written: Sequence[tuple[int, float]]
) -> dict[str, Any]:
    """What a row holds of one conversation.

    Args:
        load: seconds until the engine was ready.
        reading: tokens of the long message, and seconds to its reply's first token.
        firsts: seconds to the first token: of `FIRST`, for which the instruction was read too, then of each of `SAID`.
        written: tokens after the first of each reply, and the seconds that they took.
    """
    speeds = [tokens / seconds for tokens, seconds in written if tokens > 4 and seconds > 0]
    return {
        "load_s": round(load, 2),
        "cold_s": round(firsts[0], 2),
        "warm_s": round(firsts[1], 2),
        "eleventh_s": round(firsts[-1], 2),
        "read": round(reading[0] / reading[1], 1),
        "write": round(statistics.median(speeds), 1),
        "n": len(speeds),
    }
