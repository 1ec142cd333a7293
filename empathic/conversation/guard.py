"""The safety gate around a speaker: what the model must not answer, and what it must not say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from empathic.conversation.engine import Chunk
from empathic.conversation.messages import Message
from empathic.conversation.speaker import Given, Reply, Speaker, Watch
from empathic.safety.gate import Gate
from empathic.safety.guard_model import GuardModel
from empathic.safety.referrals import Referrals

FILTERED = "content_filter"  # OpenAI's word for the end of a reply that a rule wrote or broke off
_SENTENCE = re.compile("[.!?\u2026](?=[\\s\"'\u201d\u2019)])|[\u3002\uff01\uff1f]|\n")


@dataclass(frozen=True)
class Guard:
    """Fixed replies in the model's place where the gate says so, and a check of what the model says.

    Attributes:
        gate: the gate.
        country: two letters, for the help lines; None for ones that hold everywhere.
        referrals: where it is counted how often a person in danger was given help; None counts nothing.
        larger: a model that reads before the gate; None has the gate decide alone.
    """

    gate: Gate
    country: str | None = None
    referrals: Referrals | None = None
    larger: GuardModel | None = None

    def around(self, speaker: Speaker) -> Speaker:
        """The speaker behind this gate."""
        return replace(speaker, instead=self._instead)

    def _instead(self, messages: Sequence[Message]) -> Given | Watch:
        heard = self.larger.heard(messages) if self.larger else ()
        verdict = self.gate.check(messages, self.country, heard)
        if verdict.reply is not None:
            if self.referrals and verdict.label == "crisis" and not self.gate.closed:
                self.referrals.add()
            return Given(verdict.reply, FILTERED, verdict.label)
        return partial(Watched, gate=self.gate, country=self.country, offer=verdict.offer)


class Watched:
    """A model's reply, sentence by sentence, each checked with all before it; a fixed reply in place of a bad rest.

    Args:
        reply: the model's.
        gate: what checks it.
        country: for the help lines.
        offer: a sentence to put under the reply, or None.
    """

    def __init__(self, reply: Reply, gate: Gate, country: str | None, offer: str | None) -> None:
        self.reply, self.gate, self.country, self.offer = reply, gate, country, offer

    def __iter__(self) -> Iterator[Chunk]:
        """Whole sentences, and the end."""
        said, shown = "", 0
        for chunk in self.reply:
            said += chunk.text
            ready = len(said) if chunk.finish else _whole(said)
            if ready > shown or chunk.finish:
                verdict = self.gate.check_reply(said[:ready], self.country)
                if verdict.reply is not None:
                    self.reply.close()
                    offered = f"\n\n{self.offer}" if self.offer else ""
                    yield Chunk(("\n\n" if shown else "") + verdict.reply + offered)
                    yield replace(chunk, text="", finish=FILTERED)
                    return
                if ready > shown:
                    yield Chunk(said[shown:ready])
                    shown = ready
            if chunk.finish:
                if self.offer:
                    yield Chunk(f"\n\n{self.offer}")
                yield replace(chunk, text="")

    def close(self) -> None:
        """End the model's reply."""
        self.reply.close()


def _whole(text: str) -> int:
    """The length of a text's whole sentences. What follows the last of them has to be there, to know that it ended."""
    ends = [found.end() for found in _SENTENCE.finditer(text) if found.end() < len(text)]
    return ends[-1] if ends else 0
