"""The rows of a corpus, as TRL takes them: the loss of an SFT example falls on its reply alone.

Neither holds an instruction; training adds it as `student.prompt` says. Rows are made and written one by one, so that
a corpus of a million dialogues needs no more memory than one of a thousand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from empathic import files
from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.recipe.steps import EXAMPLES, PARTS, PREFERENCES, CorpusPart

Row = dict[str, Any]
_DIALOGUES = "sft_dialogues"
_NAMES: dict[CorpusPart, str] = {EXAMPLES: "SFT example", PREFERENCES: "preference pair"}


class Made(NamedTuple):
    """A row of the corpus: the part that it is of, and which teacher it came of."""

    part: CorpusPart
    teacher: str
    row: Row
    is_augmentation: bool = False  # the dialogue gave this teacher's SFT an example before


class NothingToLearn(UserError):
    """A part of the corpus that is needed has nothing in it."""

    def __init__(self, part: CorpusPart) -> None:
        super().__init__(f"method: the train dialogues leave no {_NAMES[part]}")
        self.part = part


class Tally:
    """How much there is to learn from, counted as rows pass by."""

    def __init__(self) -> None:
        self.by_teacher: dict[str, Row] = {}

    def watch(self, made: Iterable[Made]) -> Iterator[Made]:
        """Pass the rows on."""
        last = ""
        for one in made:
            of = self.by_teacher.setdefault(one.teacher, {_DIALOGUES: 0, **dict.fromkeys(PARTS, 0)})
            of[one.part] += 1
            if one.part == EXAMPLES and not one.is_augmentation and one.row["id"] != last:
                of[_DIALOGUES] += 1
                last = one.row["id"]
            yield one

    def counts(self, needed: Collection[CorpusPart] = PARTS) -> Row:
        """In all and by teacher.

        Raises:
            NothingToLearn: a part that is needed has nothing in it.
        """
        totals: dict[str, int] = {part: sum(of[part] for of in self.by_teacher.values()) for part in PARTS}
        for part in PARTS:
            if part in needed and not totals[part]:
                raise NothingToLearn(part)
        return {**totals, "by_teacher": self.by_teacher}


def write_corpus(made: Iterable[Made], folder: Path, needed: Collection[CorpusPart] = PARTS) -> Row:
    """Write `sft.jsonl` and `preferences.jsonl`, or neither where a part that is needed is empty.

    Returns:
        How much is in them.

    Raises:
        NothingToLearn: as `Tally.counts` does.
        UserError: the folder can't be written.
    """
    tally = Tally()
    with ExitStack() as stack:
        out = {}
        for name in PARTS:
            part = stack.enter_context(files.whole(folder / f"{name}.jsonl"))
            out[name] = stack.enter_context(part.open("w", encoding="utf-8"))
        for one in tally.watch(made):
            out[one.part].write(json.dumps(one.row, ensure_ascii=False) + "\n")
        return tally.counts(needed)


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
