"""A conversation with one speaker: the turns so far, and the next."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from empathic.conversation.engine import Chunk
from empathic.conversation.messages import Message
from empathic.conversation.speaker import Reply, Speaker


class Conversation:
    """Turns with one speaker.

    Attributes:
        speaker: who replies.
        turns: what was said, without the instruction.
    """

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.turns: list[Message] = []

    def say(self, text: str) -> Generator[Chunk, None, None]:
        """Say something, and get the reply as it comes.

        A reply that is stopped counts as far as it came; where nothing came, the message counts as not said.

        Raises:
            BadMessage: the message can't be taken; it counts as not said.
            EngineFailed: the reply broke off.
        """
        asked = [*self.turns, {"role": "user", "content": text}]
        return self._heard(asked, self.speaker.reply(asked))

    def _heard(self, asked: list[Message], reply: Reply) -> Generator[Chunk, None, None]:
        said = ""
        try:
            with closing(reply):
                for chunk in reply:
                    said += chunk.text
                    yield chunk
        finally:
            if said.strip():
                self.turns = [*asked, {"role": "assistant", "content": said}]

    def messages(self) -> list[Message]:
        """The conversation as a training row has it, the instruction in front."""
        told = [{"role": "system", "content": self.speaker.told}] if self.speaker.told else []
        return [*told, *self.turns]
