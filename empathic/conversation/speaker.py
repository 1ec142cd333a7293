"""A model that can be talked to: its file, what it was told in training, how it picks its words."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from empathic.conversation.engine import Chunk, Engine
from empathic.conversation.messages import Message, checked
from empathic.conversation.window import fit


class Reply(Protocol):
    """A reply as it comes: pieces, of which the last says why it ended."""

    def __iter__(self) -> Iterator[Chunk]:
        """The pieces in their order."""

    def close(self) -> None:
        """End it, from any thread."""


@dataclass(frozen=True)
class Given:
    """A reply that no model wrote.

    Attributes:
        text: the reply.
        finish: why it ended.
        label: what the rule that gave it says of the message; "" where it says nothing.
    """

    text: str
    finish: str = "stop"
    label: str = ""

    def __iter__(self) -> Iterator[Chunk]:
        """The text, whole, and its end."""
        yield Chunk(self.text)
        yield Chunk(finish=self.finish)

    def close(self) -> None:
        """Nothing is at work."""


Watch = Callable[[Reply], Reply]  # what becomes of the model's reply
Instead = Callable[
    [Sequence[Message]], Given | Watch | None
]  # a reply in the model's place, or what to do with its own


@dataclass(frozen=True)
class Sampling:
    """How a reply is picked where a request doesn't say otherwise: greedily at temperature 0."""

    max_tokens: int
    temperature: float
    seed: int


@dataclass(frozen=True)
class Speaker:
    """A model that can be talked to.

    Attributes:
        name: what it is called in a run, in a request and on the page.
        file: the file, or files, that answer, for people.
        engine: what runs it.
        told: the instruction that it was trained under; None where none is known.
        sampling: as its recipe says.
        scale: how much of the engine's adapter it wears; None where the engine has none.
        slots: those of the engine's that are its own where it shares the engine; llama.cpp forgets what a slot has
            read when a reply at another scale takes it.
        instead: where a rule may reply in the model's place, or see to what the model says. It sees the whole
            conversation before the model does.
    """

    name: str
    file: str
    engine: Engine
    told: str | None
    sampling: Sampling
    scale: float | None = None
    slots: range = range(0)
    instead: Instead | None = field(default=None, compare=False)

    def reply(self, turns: Sequence[Message], **asked: Any) -> Reply:
        """The reply to a conversation; the model is asked once it is read.

        Args:
            turns: what was said, a person's message last. A system message in front stands; without one there, what
                the model was told in training is put in front.
            asked: parameters of the chat API that this reply is to have, in place of the recipe's.

        Raises:
            BadMessage: a message is empty or isn't text. One that is too long for the model is told of on reading.
        """
        messages = checked(turns)
        found = self.instead(messages) if self.instead else None
        if isinstance(found, Given):
            return found
        reply = self.engine.stream(partial(self._body, list(messages), asked), self.slots)
        return found(reply) if found else reply

    def _body(self, messages: list[Message], asked: dict[str, Any]) -> dict[str, Any]:
        """What the engine is asked."""
        if self.told and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": self.told})
        body = {**vars(self.sampling), **asked}
        body["messages"] = fit(self.engine, messages, body["max_tokens"])
        if self.scale is not None:
            body["lora"] = [{"id": 0, "scale": self.scale}]
        if self.slots:  # a conversation keeps its slot where that is free: it has read it up to here
            begin = next(message["content"] for message in body["messages"] if message["role"] == "user")
            body["id_slot"] = self.slots[zlib.crc32(begin.encode()) % len(self.slots)]
        return body
