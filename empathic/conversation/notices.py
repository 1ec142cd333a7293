"""What people have to see in a conversation: at its start, and again and again in one that goes on."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from empathic.conversation.engine import Chunk
from empathic.conversation.messages import Message
from empathic.conversation.speaker import Given, Reply
from empathic.safety.compliance import Compliance, Notice

_MOST = 100_000  # conversations whose times a server keeps; 100 bytes each
_PART = "\n\n"  # between a notice and what it is put to
Now = Callable[[], float]


class Reminder:
    """When the next reminder of one conversation is due, by a clock that nobody sets.

    Args:
        every: seconds between two; None for none.
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, every: float | None, now: Now = time.monotonic) -> None:
        self._every, self._now, self._last = every, now, now()

    def due(self) -> bool:
        """Whether it is due; if so, the time to the next one begins."""
        if self._every is None or self._now() - self._last < self._every:
            return False
        self._last = self._now()
        return True


class Talks:
    """The conversations that go on at a server: when each was last told what it is.

    A request holds a whole conversation and no name of it. It is known again by a keyed hash of its last exchange,
    which is kept in memory alone, under a key of this process. One that isn't known (the server was started anew, or
    has forgotten it) is reminded at once.

    Args:
        compliance: what has to be told, and how often.
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, compliance: Compliance, now: Now = time.monotonic) -> None:
        self.compliance = compliance
        self._now, self._key, self._lock = now, secrets.token_bytes(32), threading.Lock()
        self._told: OrderedDict[bytes, float] = OrderedDict()

    def notices(self, whose: str, name: str, turns: Sequence[Message]) -> list[Notice]:
        """What has to be told with the reply to these turns.

        Args:
            whose: what tells clients apart.
            name: the system that replies.
            turns: the conversation, a person's message last, without notices.
        """
        if not self.compliance.presets:
            return []
        said = [turn for turn in turns if turn["role"] != "system"]
        before = next((at for at in range(len(said) - 2, -1, -1) if said[at]["role"] == "user"), None)
        at = self._now()
        if before is None:
            self._keep(self._hash(whose, name, said), at)
            return self.compliance.start(name)
        if self.compliance.seconds is None:
            return []
        with self._lock:
            told = self._told.get(self._hash(whose, name, said[: before + 1]))
        due = told is None or at - told >= self.compliance.seconds
        self._keep(self._hash(whose, name, said), at if told is None or due else told)
        return self.compliance.reminder(name) if due else []

    def noted(
        self, whose: str, name: str, turns: Sequence[Message], reply: Reply, apart: bool
    ) -> tuple[Reply, dict[str, Any]]:
        """A reply with what has to be told, and what a program is told of it: `notices`, `ai_generated`.

        Args:
            whose: what tells clients apart.
            name: the system that replies.
            turns: the conversation, a person's message last, without notices.
            reply: to them.
            apart: whether the client shows notices itself, so that none is put to the text.
        """
        notices = self.notices(whose, name, turns)
        about: dict[str, Any] = {"notices": [asdict(one) for one in notices]} if notices else {}
        if self.compliance.marked:
            about["ai_generated"] = not isinstance(reply, Given)
        return Noted(reply, notices) if notices and not apart else reply, about

    def without(self, name: str, turns: Sequence[Message]) -> list[Message]:
        """The turns without the notices that were put to replies: neither model nor gate is to read them."""
        starts = {_text(found) for found in (self.compliance.start(name), self.compliance.reminder(name)) if found}

        def bare(text: str) -> str:
            for notice in starts:
                text = text.removeprefix(notice + _PART).removesuffix(_PART + notice)
            return text

        return [{**turn, "content": bare(turn["content"])} if turn["role"] == "assistant" else turn for turn in turns]

    def _hash(self, whose: str, name: str, said: Sequence[Message]) -> bytes:
        last = json.dumps([whose, name, said[-3:]]).encode()
        return hashlib.blake2b(last, digest_size=16, key=self._key).digest()

    def _keep(self, key: bytes, at: float) -> None:
        with self._lock:
            self._told[key] = at
            self._told.move_to_end(key)
            if len(self._told) > _MOST:
                self._told.popitem(last=False)


@dataclass(frozen=True)
class Noted:
    """A reply with a notice before it; after it where the gate gave help or refused, since help comes first.

    Attributes:
        reply: the reply.
        notices: what has to be told.
    """

    reply: Reply
    notices: Sequence[Notice]

    def __iter__(self) -> Iterator[Chunk]:
        """The pieces in their order."""
        text, last = _text(self.notices), isinstance(self.reply, Given) and self.reply.label != "ordinary"
        if not last:
            yield Chunk(text + _PART)
        for chunk in self.reply:
            if last and chunk.finish:
                yield Chunk(_PART + text)
            yield chunk

    def close(self) -> None:
        """End the reply."""
        self.reply.close()


def _text(notices: Sequence[Notice]) -> str:
    return " ".join(notice.text for notice in notices)
