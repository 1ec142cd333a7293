"""A recorded teacher: its replies came with the dialogues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from empathic.dialogues import Dialogue
from empathic.errors import UserError


def replies(dialogues: Sequence[Dialogue], teachers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows `id, teacher, reply, rating`, teacher by teacher in the order of the dialogues.

    Raises:
        UserError: a teacher that replied to none of the dialogues; names those that did.
    """
    known = {origin for d in dialogues for origin in d.replies}
    for teacher in teachers:
        if teacher not in known:
            raise UserError(
                f"method.teachers: no dialogue has a reply of {teacher!r}; known: {', '.join(sorted(known)) or 'none'}"
            )
    for teacher in teachers:
        for d in dialogues:
            if teacher in d.replies:
                reply = d.replies[teacher]
                yield {"id": d.id, "teacher": teacher, "reply": reply.text, "rating": reply.rating}
