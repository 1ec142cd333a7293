"""A measure held against blind readers: does it know which replies they would send, and which of two is better?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from empathic.errors import UserError
from empathic.judge.classifier import Labelled, of_message
from empathic.judge.measures.behaviours import BehavioursMeasure, JudgedReply
from empathic.judge.measures.reader import SEND, Reader
from empathic.judge.measures.specificity import SpecificityMeasure
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.judge.scoring import scored
from empathic.judge.sendable import errors_of
from empathic.reading.readings import Reading
from empathic.reading.rubric import LEVELS
from empathic.recipe import Judge
from empathic.stats import corrected
from empathic.stats.auc import Auc, auc
from empathic.stats.win_rate import WinRate, outcome, rounded, win_rate

WRITTEN = "corpus"  # the set of replies that were written for a corpus
_PARTS = 10  # that messages are dealt into by their words' hash
_ENOUGH = 10  # replies of a kind, for a figure of one system
_HELD = range(2)  # of them, that no scorer learns from


@dataclass(frozen=True)
class Trial:
    """How far scores are of readers' mind.

    Attributes:
        send: how well scores tell replies to be sent from others; None where readers say the same of all.
        better: how often the better of two replies to one message scores higher; None where there is no such pair.
        systems: `send` by system, of those with ten replies of both kinds or more.
    """

    send: Auc | None
    better: WinRate | None
    systems: dict[str, Auc]

    def to_row(self) -> dict[str, Any]:
        """The figures as JSON has them."""
        return {
            "send": rounded(self.send) if self.send else None,
            "better": self.better.to_row() if self.better else None,
            "systems": {name: rounded(of) for name, of in self.systems.items()},
        }


def trial(readings: Sequence[Reading], scores: Sequence[float]) -> Trial:
    """Hold scores against readings, one a reading; replies to one message hang together.

    A reply is better than another to the same message where it is to be sent and the other isn't, or, of two that are
    alike in that, where its grades sum to more.
    """
    by_system: dict[str, list[int]] = {}
    for i, one in enumerate(readings):
        by_system.setdefault(one.system, []).append(i)
    everything = range(len(readings))
    found = {system: _auc(readings, scores, places, _ENOUGH) for system, places in sorted(by_system.items())}
    return Trial(
        _auc(readings, scores, everything),
        _better(readings, scores),
        {system: of for system, of in found.items() if of},
    )


def readable(readings: Sequence[Reading]) -> list[Reading]:
    """The readings whose message is known, each reply once, by its first reader.

    Raises:
        UserError: none is.
    """
    first: dict[tuple[str, str], Reading] = {}
    for one in readings:
        if one.utterance:
            first.setdefault((of_message(one.utterance), one.reply), one)
    if not first:
        raise UserError("no readings with their messages in these files; give some, such as benchmarks/readings.jsonl")
    return list(first.values())


def part_of(utterance: str) -> int:
    """Which of ten parts a message belongs to, by its words: 0 to 9, the same wherever it stands."""
    return int(of_message(utterance)[:8], 16) % _PARTS


def held_out(readings: Sequence[Reading]) -> list[Reading]:
    """Those of the fifth of messages that no scorer learns from."""
    return [one for one in readings if part_of(one.utterance) in _HELD]


def to_learn(readings: Sequence[Reading], half: int | None = None) -> list[Reading]:
    """Those that scorers learn from: all, or those of one half of the messages (1 or 2)."""
    wanted = {None: range(2, 10), 1: range(2, 6), 2: range(6, 10)}[half]
    return [one for one in readings if part_of(one.utterance) in wanted]


def labelled(readings: Sequence[Reading]) -> list[Labelled]:
    """Readings as a scorer learns from them."""
    return [
        Labelled(
            JudgedReply(one.utterance, one.reply),
            {**{name: getattr(one.grades, name) for name in LEVELS}, SEND: int(one.grades.send)},
        )
        for one in readings
    ]


def of_reader(
    readings: Sequence[Reading],
    reader: Reader,
    progress: Callable[[int, int], None] = lambda done, total: None,
    n: int | None = None,
) -> Trial:
    """A scorer held against readings, on the first `n` of messages that it did not learn from.

    Raises:
        UserError: it learnt from all of them.
    """
    new, scores = scored_by(readings, reader, progress, n)
    return trial(new, scores)


def scored_by(
    readings: Sequence[Reading],
    reader: Reader,
    progress: Callable[[int, int], None] = lambda done, total: None,
    n: int | None = None,
) -> tuple[list[Reading], list[float]]:
    """The first `n` readings of messages that a scorer did not learn from, and what it says of sending each reply.

    Raises:
        UserError: it learnt from all of them.
    """
    new = [one for one in readings if of_message(one.utterance) not in reader.classifier.learnt][:n]
    if not new:
        raise UserError("the scorer learnt from all messages of these readings; give others")
    done = itertools.count(1)
    asked = [JudgedReply(one.utterance, one.reply) for one in new]
    said = reader.read(asked, lambda: progress(next(done), len(new)))
    return new, [one.send for one in said]


def of_judge(
    readings: Sequence[Reading],
    judge: Judge,
    ledger: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Trial]:
    """The present measures held against readings, by the measure's name: a judge's behaviours, and specificity.

    Raises:
        UserError: an endpoint that can't be reached.
    """
    systems: dict[str, dict[str, str]] = {}
    places = []
    for one in readings:  # several replies of a system to one message become systems of their own
        id, number = of_message(one.utterance), 0
        while id in systems.get(name := f"{one.system} {number}", {}):
            number += 1
        systems.setdefault(name, {})[id] = one.reply
        places.append((name, id))
    messages = {of_message(one.utterance): one.utterance for one in readings}
    tested = [EvalDialogue(id, utterance) for id, utterance in messages.items()]
    (scores,) = scored([EvalSet(tested, systems)], judge, ledger, progress)
    found = {}
    for measure, asked in ((BehavioursMeasure.name, judge.name), (SpecificityMeasure.name, "")):
        values = [_mean(scores.answers(measure, asked, name).get(id, {})) for name, id in places]
        known = [i for i, value in enumerate(values) if value is not None]
        if known:
            found[measure] = trial([readings[i] for i in known], [values[i] or 0.0 for i in known])
    return found


def errors_on_students(readings: Sequence[Reading], scores: Sequence[float]) -> corrected.Labelled:
    """A scorer's errors on replies that students gave: written ones are easier to tell, and would hide them."""
    students = [i for i, one in enumerate(readings) if one.set != WRITTEN] or range(len(readings))
    return errors_of([readings[i].grades.send for i in students], [scores[i] for i in students])


def _mean(answers: Mapping[str, float]) -> float | None:
    return fmean(answers.values()) if answers else None


def _auc(readings: Sequence[Reading], scores: Sequence[float], places: Sequence[int], enough: int = 1) -> Auc | None:
    sent = [readings[i].grades.send for i in places]
    if min(sum(sent), len(sent) - sum(sent)) < enough:
        return None
    return auc(sent, [scores[i] for i in places], [readings[i].utterance for i in places])


def _better(readings: Sequence[Reading], scores: Sequence[float]) -> WinRate | None:
    """Over messages: of each, the share of its pairs in which the better reply scores higher."""
    by_message: dict[str, list[int]] = {}
    for i, one in enumerate(readings):
        by_message.setdefault(one.utterance, []).append(i)
    shares = []
    for places in by_message.values():
        pairs = [
            outcome(scores[one], scores[other])
            for one, other in itertools.permutations(places, 2)
            if _rank(readings[one]) > _rank(readings[other]) and readings[one].reply != readings[other].reply
        ]
        if pairs:
            shares.append(fmean(pairs))
    return win_rate("better", "worse", "scores", shares) if shares else None


def _rank(one: Reading) -> tuple[bool, int]:
    return one.grades.send, one.grades.understood + one.grades.feeling + one.grades.sense
