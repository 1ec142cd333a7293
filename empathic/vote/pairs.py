"""What people are shown: dialogues with two replies, in an order that is the same for all, sides by lot for each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.judge.verdicts import read_replies
from empathic.workspace import dialogues_of

_STUDENTS = ("base", "sft", "dpo")


@dataclass(frozen=True)
class Pair:
    """Two replies to one dialogue, `a` being system A's."""

    id: str
    utterance: str
    a: str
    b: str

    def a_left(self, rater: str) -> bool:
        """Whether a rater sees `a` on the left: by lot, and the same at every look."""
        return random.Random(f"{rater} {self.id}").random() < 0.5


def pairs(run: Path, a: str, b: str, seed: int) -> list[Pair]:
    """The pairs of a run's two systems, in an order by seed, so that raters who stop early rated the same ones.

    Args:
        run: the run directory.
        a: base, sft, dpo, or the origin of a known reply.
        b: another.
        seed: of the order.

    Raises:
        UserError: no such system, or two that share no dialogue or are one.
    """
    if a == b:
        raise UserError(f"--a {a} --b {b}: want two different systems")
    if not (run / "dialogues.jsonl").exists():
        raise UserError(f"{run}: no dialogues.jsonl there; give a run directory, such as runs/demo")
    tests = {d.id: d for d in dialogues_of(run, "test")}
    of_a, of_b = _replies(run, a, tests), _replies(run, b, tests)
    found = [
        Pair(id, d.utterance, of_a[id], of_b[id])
        for id, d in tests.items()
        if id in of_a and id in of_b and of_a[id].strip() != of_b[id].strip()
    ]
    if not found:
        raise UserError(f"{run}: {a} and {b} have no two different replies to one dialogue; nothing to vote on")
    random.Random(seed).shuffle(found)
    return found


def _replies(run: Path, system: str, tests: dict[str, Dialogue]) -> dict[str, str]:
    path = run / "replies" / f"{system}.jsonl"
    if system in _STUDENTS and path.exists():
        return read_replies(path)[1]
    known = {id: d.replies[system].text for id, d in tests.items() if system in d.replies}
    if not known:
        there = [name for name in _STUDENTS if (run / "replies" / f"{name}.jsonl").exists()]
        there += sorted({origin for d in tests.values() for origin in d.replies})
        raise UserError(f"{run}: no replies of {system!r}; want one of {', '.join(there)}")
    return known
