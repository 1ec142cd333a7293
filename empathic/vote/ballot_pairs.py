"""What people are shown: dialogues with two replies, in an order that is the same for all, sides by lot for each."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from empathic import files
from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.judge.replies import read_replies
from empathic.run import Run


@dataclass(frozen=True)
class BallotPair:
    """Two replies to one dialogue, `a` being that of the system that is first as `ordered`."""

    id: str
    utterance: str
    a: str
    b: str

    @property
    def shown(self) -> str:
        """A digest of what raters see: a vote holds for these texts and no others."""
        return files.digest([self.utterance, self.a, self.b])

    def a_left(self, rater: str) -> bool:
        """Whether a rater sees `a` on the left: by lot, and the same at every look."""
        return random.Random(f"{rater} {self.id}").random() < 0.5


def ordered(a: str, b: str, systems: Sequence[str]) -> tuple[str, str]:
    """Two systems in the order in which votes on them are kept: the further trained first, then known replies.

    Args:
        a: a system's name.
        b: the other's.
        systems: those that the run makes, in the order of its steps.
    """
    first, second = sorted((a, b), key=lambda s: (-systems.index(s) if s in systems else 1, s))
    return first, second


def pairs(run: Run, a: str, b: str, seed: int) -> list[BallotPair]:
    """The pairs of a run's two systems, in an order by seed, so that raters who stop early rated the same ones.

    Args:
        run: the run.
        a: one of its systems, or the origin of a known reply.
        b: another; which of the two is `a` makes no difference.
        seed: of the order.

    Raises:
        UserError: no such system, or two that share no dialogue or are one.
    """
    if a == b:
        raise UserError(f"--a {a} --b {b}: want two different systems")
    if not run.dialogues_file.exists():
        raise UserError(f"{run.folder}: the stage 'dialogues' isn't done; go on with the run first")
    tests = _tests(run)
    said = {system: _replies(run, system, tests) for system in ordered(a, b, run.systems)}
    for system, replies in said.items():
        if not replies:
            there = [name for name in run.systems if run.replies(name).exists()]
            there += sorted({origin for d in tests.values() for origin in d.replies})
            raise UserError(f"{run.folder}: no replies of {system!r}; want one of {', '.join(there)}")
    found = _paired(tests, *said.values())
    if not found:
        raise UserError(f"{run.folder}: {a} and {b} have no two different replies to one dialogue; nothing to vote on")
    random.Random(seed).shuffle(found)
    return found


def shown(run: Run, a: str, b: str) -> dict[str, str]:
    """What raters would see of two systems now: dialogue id -> `BallotPair.shown`; nothing without replies of both."""
    tests = _tests(run)
    found = _paired(tests, *(_replies(run, system, tests) for system in ordered(a, b, run.systems)))
    return {pair.id: pair.shown for pair in found}


def _tests(run: Run) -> dict[str, Dialogue]:
    return {d.id: d for d in run.each_dialogue("test")}


def _replies(run: Run, system: str, tests: Mapping[str, Dialogue]) -> dict[str, str]:
    if system in run.systems and run.replies(system).exists():
        return read_replies(run.replies(system))[1]
    return {id: d.replies[system].text for id, d in tests.items() if system in d.replies}


def _paired(tests: Mapping[str, Dialogue], of_a: Mapping[str, str], of_b: Mapping[str, str]) -> list[BallotPair]:
    """The dialogues to which both replied, and not in the same words."""
    return [
        BallotPair(id, d.utterance, of_a[id], of_b[id])
        for id, d in tests.items()
        if id in of_a and id in of_b and of_a[id].strip() != of_b[id].strip()
    ]
