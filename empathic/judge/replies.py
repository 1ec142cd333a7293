"""Replies to test dialogues, as reply files hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.errors import UserError

Replies = dict[str, str]  # dialogue id -> reply


@dataclass(frozen=True)
class EvalDialogue:
    """A test dialogue: what a reply answers, what its speaker feels and what happened, where that is known."""

    id: str
    utterance: str
    emotion: str = ""
    situation: str = ""

    @classmethod
    def of(cls, dialogue: Dialogue) -> EvalDialogue:
        """A dialogue as it is tested."""
        return cls(dialogue.id, dialogue.utterance, dialogue.emotion, dialogue.situation)


@dataclass(frozen=True)
class EvalSet:
    """What is scored: a reply is held against others of its own set alone.

    Attributes:
        dialogues: what the replies answer.
        systems: replies by system.
        pairs: systems that judges with `pairwise` hold against each other.
        unasked: replies by system that no judge is asked about; may hold more of a system of `systems`.
        whole: replies by system of which figures of the system as such are wanted, on the dialogues that all answer.
    """

    dialogues: Sequence[EvalDialogue]
    systems: Mapping[str, Replies]
    pairs: Sequence[tuple[str, str]] = ()
    unasked: Mapping[str, Replies] = field(default_factory=dict)
    whole: Mapping[str, Replies] = field(default_factory=dict)

    def places(self, every: bool = False) -> list[tuple[EvalDialogue, str]]:
        """Each reply's dialogue and system, dialogue by dialogue, so that servers can keep the prompt.

        Args:
            every: whether those that no judge is asked about are among them.
        """
        systems = self.all_replies if every else self.systems
        return [(d, name) for d in self.dialogues for name, replies in systems.items() if d.id in replies]

    @property
    def all_replies(self) -> dict[str, Replies]:
        """Replies by system, those that no judge is asked about among them."""
        return {**self.systems, **self.unasked}

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, int], pairs: Sequence[tuple[str, str]] = ()) -> EvalSet:
        """A set without words, to count what would be asked: so many replies by system, to the same first dialogues."""
        dialogues = [EvalDialogue(str(i), str(i)) for i in range(max(sizes.values(), default=0))]
        return cls(dialogues, {name: {d.id: "" for d in dialogues[:n]} for name, n in sizes.items()}, pairs)


def read_replies(path: Path) -> tuple[list[EvalDialogue], Replies]:
    """Read a reply file (`id, utterance, reply`; `emotion` where known).

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
