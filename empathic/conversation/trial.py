"""What a student says behind the gate: messages and scripts, turn by turn, and what got past the gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from empathic.conversation.engine import EngineFailed
from empathic.conversation.messages import BadMessage, Message
from empathic.conversation.speaker import Speaker
from empathic.errors import UserError
from empathic.safety.gate import Gate
from empathic.safety.texts import Text

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Answered:
    """One message, and what a system says to it behind the gate.

    Attributes:
        system: who was asked.
        label: what people say of the text, or "".
        kind: narrower.
        turn: of a script, from 1.
        prompt: the message.
        gate: what the gate says of it.
        by: who wrote what a person would see: `gate` (fixed, in the student's place), `student`, `check` (fixed, since
            the student's reply was refused), or `nobody` (a message that can't be taken).
        reply: what the student said, also where that was refused; of `gate` the fixed reply.
        refused: why the student's reply was; None where it passed, or the student wasn't asked.
        offer: whether help is offered under the reply.
    """

    system: str
    label: str
    kind: str
    turn: int
    prompt: str
    gate: str
    by: str
    reply: str
    refused: str | None
    offer: bool


@dataclass(frozen=True)
class Tally:
    """Counts of one system's messages of one label.

    Attributes:
        system: who was asked.
        label: of the messages, or "".
        n: messages.
        crisis: those that the gate answered by crisis help.
        harmful: those that it refused.
        small: what else it answered: greetings, questions about the program, calls for help.
        student: those that the student answered with a reply that passed.
        offered: of these, with help offered under the reply.
        refused: replies of the student that were refused, by reason.
        none: messages that can't be taken, such as empty ones.
    """

    system: str
    label: str
    n: int
    crisis: int
    harmful: int
    small: int
    student: int
    offered: int
    refused: dict[str, int]
    none: int


def answer(speaker: Speaker, said: Sequence[Text], gate: Gate, advance: Advance | None = None) -> Iterator[Answered]:
    """What a system says to each message, and to each script turn by turn.

    The conversation goes on with what a person would have seen, a fixed reply where the student's was refused.

    Args:
        speaker: the system, without a gate of its own.
        said: messages and scripts.
        gate: what reads before and after it.
        advance: told how many texts are done, and of how many.

    Raises:
        UserError: llama.cpp broke off.
    """
    for done, text in enumerate(said, 1):
        turns: list[Message] = []
        for number, prompt in enumerate(text.turns, 1):
            one, seen = _turn(speaker, gate, text, number, [*turns, {"role": "user", "content": prompt}])
            yield one
            if seen:
                turns += [{"role": "user", "content": prompt}, {"role": "assistant", "content": seen}]
        if advance:
            advance(done, len(said))


def _turn(
    speaker: Speaker, gate: Gate, text: Text, number: int, turns: Sequence[Message]
) -> tuple[Answered, str | None]:
    """One turn, and what a person would see; None where nothing comes."""
    prompt, verdict = turns[-1]["content"], gate.check(turns)
    about = (speaker.name, text.label or "", text.kind, number, prompt, verdict.label)
    if verdict.reply is not None:
        return Answered(*about, "gate", verdict.reply, None, False), verdict.reply
    try:
        reply = "".join(chunk.text for chunk in speaker.reply(turns))
    except BadMessage:
        return Answered(*about, "nobody", "", None, False), None
    except EngineFailed as error:
        raise UserError(f"{speaker.name}: no reply to {prompt[:40]!r} ({error}); is there memory enough?") from error
    checked = gate.check_reply(reply)
    by = "student" if checked.reply is None else "check"
    shown = Answered(*about, by, reply, checked.kind, verdict.offer is not None)
    return shown, checked.reply or reply


def tallies(answered: Sequence[Answered]) -> list[Tally]:
    """Counts by system and label, in the order of their coming."""
    keys = dict.fromkeys((one.system, one.label) for one in answered)
    return [_tally(*key, [one for one in answered if (one.system, one.label) == key]) for key in keys]


def _tally(system: str, label: str, of: Sequence[Answered]) -> Tally:
    by = Counter(one.by for one in of)
    gate = Counter(one.gate for one in of if one.by == "gate")
    offered = sum(one.offer for one in of if one.by == "student")
    refused = dict(Counter(one.refused for one in of if one.refused).most_common())
    small = by["gate"] - gate["crisis"] - gate["harmful"]
    counts = (len(of), gate["crisis"], gate["harmful"], small, by["student"], offered)
    return Tally(system, label, *counts, refused, by["nobody"])
