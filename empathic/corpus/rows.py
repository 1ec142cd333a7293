"""The rows of a corpus, as TRL takes them: the loss of an SFT example falls on its reply alone.

Neither holds an instruction; training adds it as `student.prompt` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from empathic.dialogues import Dialogue
from empathic.errors import UserError

Row = dict[str, Any]


@dataclass(frozen=True)
class Corpus:
    """SFT examples, preference pairs, and how many of each every teacher gave."""

    sft: list[Row]
    preferences: list[Row]
    by_teacher: dict[str, Row]

    def checked(self, of: int, rules: tuple[str, str] | None) -> Corpus:
        """The corpus itself.

        Args:
            of: how many train dialogues it was made from.
            rules: what an SFT example and a pair had to be like, where that was more than being there.

        Raises:
            UserError: one of the two steps has nothing to learn from.
        """
        for index, (step, rows) in enumerate((("SFT example", self.sft), ("preference pair", self.preferences))):
            if not rows:
                why = f" (want {rules[index]})" if rules else ""
                raise UserError(f"method: no {step} is left of {of} train dialogues{why}; add dialogues or teachers")
        return self

    def counts(self) -> Row:
        """How much there is to learn from, in all and by teacher."""
        return {"sft": len(self.sft), "preferences": len(self.preferences), "by_teacher": self.by_teacher}


def rating(d: Dialogue, origin: str) -> int | None:
    """What people gave a reply, 1 to 3; None where it is unrated or absent."""
    return d.replies[origin].rating if origin in d.replies else None


def _prompt(d: Dialogue) -> list[dict[str, str]]:
    return [{"role": "user", "content": d.utterance}]


def _said(d: Dialogue, origin: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": d.replies[origin].text}]


def example(d: Dialogue, origin: str) -> Row:
    """An SFT example: the reply of an origin is the target."""
    return {"id": d.id, "origin": origin, "prompt": _prompt(d), "completion": _said(d, origin)}


def pair(d: Dialogue, teacher: str, rejected: str) -> Row:
    """A preference pair: the teacher's reply is chosen over another's."""
    return {
        "id": d.id,
        "origin": teacher,
        "prompt": _prompt(d),
        "chosen": _said(d, teacher),
        "rejected": _said(d, rejected),
    }
