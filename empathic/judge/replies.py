"""Replies to test dialogues, as reply files hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.errors import UserError

Replies = dict[str, str]  # dialogue id -> reply


@dataclass(frozen=True)
class EvalDialogue:
    """A test dialogue: what a reply answers, and what its speaker feels, where that is known."""

    id: str
    utterance: str
    emotion: str = ""

    @classmethod
    def of(cls, dialogue: Dialogue) -> EvalDialogue:
        """A dialogue as it is tested."""
        return cls(dialogue.id, dialogue.utterance, dialogue.emotion)


def read_replies(path: Path) -> tuple[list[EvalDialogue], Replies]:
    """Read a reply file (`id, utterance, reply`; `emotion` and `situation` where known).

    Raises:
        UserError: no rows, a missing field, or an id that stands twice; names the line.
    """
    tested, replies = [], {}
    for number, row in enumerate(files.read_jsonl(path), 1):
        for key in ("id", "utterance", "reply"):
            if not isinstance(row.get(key), str):
                raise UserError(f"{path}:{number}: no text under {key!r}; want id, utterance and reply in every row")
        if row["id"] in replies:
            raise UserError(f"{path}:{number}: the id {row['id']!r} stands twice; ids must differ")
        emotion = row.get("emotion")
        tested.append(EvalDialogue(row["id"], row["utterance"], emotion if isinstance(emotion, str) else ""))
        replies[row["id"]] = row["reply"]
    if not tested:
        raise UserError(f"{path}: no replies in it; want one JSON object a line")
    return tested, replies
