"""A recorded teacher: its replies came with the dialogues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from empathic.dialogues import Dialogue
from empathic.dialogues.dialogue import origins_told
from empathic.errors import UserError


def replies(dialogues: Iterable[Dialogue], teachers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows `id, teacher, reply, rating`, dialogue by dialogue.

    Raises:
        UserError: a teacher that replied to none of the dialogues; names those that did.
    """
    known: set[str] = set()
    for d in dialogues:
        known |= d.replies.keys()
        for teacher in teachers:
            if teacher in d.replies:
                reply = d.replies[teacher]
                yield {"id": d.id, "teacher": teacher, "reply": reply.text, "rating": reply.rating}
    for teacher in teachers:
        if teacher not in known:
            raise UserError(f"method.teachers: no dialogue has a reply of {teacher!r}; {origins_told(known)}")
