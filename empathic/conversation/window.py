"""What of a conversation the model is shown: all of it, or where that is too long, its later part."""

from __future__ import annotations

from collections.abc import Sequence

from empathic.conversation.engine import Engine
from empathic.conversation.messages import Message, TooLong


def fit(engine: Engine, messages: Sequence[Message], reply_tokens: int) -> list[Message]:
    """The messages that fit into the engine's window, room for the reply left.

    The instruction stays, and so does the newest message; what leaves are the oldest exchanges. Whenever the window
    is full, it is emptied to its half: were a single exchange to leave at each turn, the prompt would begin anew at
    each turn, and all of it would have to be read again before a reply starts.

    Args:
        engine: who will reply.
        messages: the instruction, if any, and the turns; the last is the one to reply to.
        reply_tokens: how long the reply may get; half the window is kept for it at most.

    Raises:
        TooLong: instruction and newest message alone don't fit.
    """
    room = engine.window - min(reply_tokens, engine.window // 2)
    told = [message for message in messages[:1] if message["role"] == "system"]
    turns = list(messages[len(told) :])
    newest = [*told, turns[-1]]
    if engine.tokens([*messages]) <= room:
        return [*messages]
    needed = engine.tokens(newest)
    if needed > room:
        raise TooLong(f"the message is too long: {needed} tokens with the instruction, {room} fit; shorten it")
    lengths = [engine.length(message) for message in turns]
    start = _start(turns, lengths, room - (needed - lengths[-1]))
    while start < len(turns) - 1 and (turns[start]["role"] != "user" or engine.tokens([*told, *turns[start:]]) > room):
        start += 1
    return [*told, *turns[start:]]


def _start(turns: Sequence[Message], lengths: Sequence[int], room: int) -> int:
    """The first turn that is kept, one that a user's message begins, as it came about turn by turn."""
    start, total = 0, 0
    for last, length in enumerate(lengths):
        total += length
        if total > room and turns[last]["role"] == "user":
            while start < last and (total > room // 2 or turns[start]["role"] != "user"):
                total -= lengths[start]
                start += 1
    return start
