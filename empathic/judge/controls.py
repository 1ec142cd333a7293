"""Controls: replies that are worse by construction. A judge that can't tell is marked beside its win rates."""

from __future__ import annotations

import random
from collections.abc import Sequence

from empathic.judge.replies import Replies
from empathic.stats.win_rate import WinRate

STOCK = "I'm really sorry to hear that. It's okay to feel this way. I'm here for you."
STOCK_SYSTEM = "stock"  # as which the stock phrase is judged
CONTROLS = {
    "another": "its own reply over the reply to another dialogue",
    "stock": "its own reply over a stock phrase",
    "shuffled": "its own reply over the same words shuffled",
}


def worse(replies: list[str], seed: int) -> dict[str, list[str]]:
    """For each control, the reply that should lose to each of `replies` (one a dialogue, in order)."""
    return {
        "another": replies[1:] + replies[:1],
        "stock": [STOCK] * len(replies),
        "shuffled": [shuffle(reply, seed + i) for i, reply in enumerate(replies)],
    }


def shuffle(reply: str, seed: int) -> str:
    """The same words in another order."""
    words = reply.split()
    random.Random(seed).shuffle(words)
    return " ".join(words)


def control_systems(ids: Sequence[str], own: Replies, seed: int) -> dict[str, Replies]:
    """The replies that test the judge, as systems of their own, on the dialogues of `ids` that `own` answers.

    `control:another`, `control:shuffled`, `control:own`; the stock phrase is the system `stock`.
    """
    ids = [id for id in ids if id in own]
    replies = [own[id] for id in ids]
    systems = {"control:own": dict(zip(ids, replies, strict=True))}
    for name, bad in worse(replies, seed).items():
        systems[_system(name)] = dict(zip(ids, bad, strict=True))
    return systems


def _system(name: str) -> str:
    """The system that a control is judged as."""
    return STOCK_SYSTEM if name == "stock" else f"control:{name}"


def control_pairs() -> list[tuple[str, str]]:
    """The pairs of `control_systems` that test the judge, the better one first."""
    return [("control:own", _system(name)) for name in CONTROLS]


def passes(rate: WinRate) -> bool:
    """Whether the judge prefers the better reply more often than a coin would, at 95%."""
    return rate.low > 0.5
