"""What readings say of systems: how many replies are sendable, mean grades, and how far readers agree.

A reply counts once, by its first reading; those of other readers say how far readers agree. Intervals are Wilson's, a
difference of two systems is paired by message, and agreement of two readers is quadratically weighted kappa.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from empathic.reading.readings import Item, Reading
from empathic.reading.rubric import LEVELS, NAMES
from empathic.stats.win_rate import interval, rounded

SENDABLE = "sendable"


@dataclass(frozen=True)
class Sendable:
    """The share of a system's replies that a reader would send, with its 95% interval, and the mean grades.

    `twice` is how many of the `n` replies two readers read, and `agree` the share of those on which they say the same
    of sending; None where there are none.
    """

    system: str
    set: str
    measure: str
    estimate: float
    low: float
    high: float
    n: int
    understood: float
    feeling: float
    sense: float
    twice: int
    agree: float | None


@dataclass(frozen=True)
class Agreeing:
    """How far two readers agree on a grade, over `n` replies: the share of equal ones, and kappa with its interval."""

    grade: str
    share: float
    kappa: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Gap:
    """By how much more of the replies of `a` than of `b` are sendable, on the `n` messages that both answered."""

    a: str
    b: str
    set: str
    estimate: float
    low: float
    high: float
    p: float
    n: int


def figures(readings: Sequence[Reading], against: str | None = None) -> dict[str, Any]:
    """All figures as plain rows: `rates`, `agreement`, `differences` against a system, `readers` and `rubrics`."""
    return {
        "rates": [rounded(one) for one in rates(readings)],
        "agreement": [rounded(one) for one in agreement(readings)],
        "differences": [rounded(one) for one in differences(readings, against)] if against else [],
        "readers": sorted({one.reader for one in readings}),
        "rubrics": sorted({one.rubric for one in readings if one.rubric}),
    }


def rates(readings: Sequence[Reading]) -> list[Sendable]:
    """A row for each system, and each set of dialogues where there are several; the most sendable first in a set."""
    found: dict[tuple[str, str], list[list[Reading]]] = {}
    for same in _by_item(readings):
        found.setdefault((same[0].set, same[0].system), []).append(same)
    rows = [_sendable(system, of, replies) for (of, system), replies in found.items()]
    return sorted(rows, key=lambda row: (row.set, -row.estimate, row.system))


def _sendable(system: str, of: str, replies: Sequence[Sequence[Reading]]) -> Sendable:
    first = [same[0].grades for same in replies]
    sent = fmean(grades.send for grades in first)
    low, high = interval(sent, len(first))
    both = [same[0].grades.send == same[1].grades.send for same in replies if len(same) > 1]
    means = {name: fmean(getattr(grades, name) for grades in first) for name in LEVELS}
    agree = fmean(both) if both else None
    return Sendable(system, of, SENDABLE, sent, low, high, len(first), **means, twice=len(both), agree=agree)


def agreement(readings: Sequence[Reading]) -> list[Agreeing]:
    """How far the first two readers of a reply agree, by grade; nothing where no reply was read twice."""
    pairs = [*{_read_on(same[:2]): same[:2] for same in _by_item(readings) if len(same) > 1}.values()]
    if not pairs:
        return []
    from empathic.stats import agreement as stats

    found = []
    for name in NAMES:
        one, other = ([int(getattr(pair[i].grades, name)) for pair in pairs] for i in (0, 1))
        messages = [f"{pair[0].set}\n{pair[0].id}" for pair in pairs]
        agrees = stats.agreement(one, other, messages, 2 if name == "send" else 3)
        found.append(Agreeing(name, agrees.accuracy, agrees.kappa, agrees.low, agrees.high, agrees.n))
    return found


def _read_on(pair: Sequence[Reading]) -> tuple[Any, ...]:
    """What two readers read: a reply of several systems that stood on a sheet once was read once."""
    first = pair[0]
    if not all(one.sheet for one in pair):
        return first.item
    words = " ".join(first.utterance.split()) or first.id, " ".join(first.reply.split())
    return *words, *((one.reader, one.sheet, one.grades) for one in pair)


def differences(readings: Sequence[Reading], against: str) -> list[Gap]:
    """Every other system against one, on the messages that both answered; pairs that share fewer than two left out."""
    from empathic.stats.paired import paired_difference

    sent: dict[tuple[str, str], dict[str, float]] = {}
    for same in _by_item(readings):
        sent.setdefault((same[0].set, same[0].system), {})[same[0].id] = float(same[0].grades.send)
    found = []
    for (of, system), replies in sent.items():
        other = sent.get((of, against), {})
        if system != against and len(replies.keys() & other.keys()) > 1:
            gap = paired_difference(replies, other)
            found.append(Gap(system, against, of, gap.estimate, gap.low, gap.high, gap.p, gap.n))
    return sorted(found, key=lambda row: (row.set, -row.estimate, row.a))


def _by_item(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Readings by the reply that was read, those on a second reader's sheets last."""
    found: dict[Item, list[Reading]] = {}
    for one in sorted(readings, key=lambda one: one.second):
        found.setdefault(one.item, []).append(one)
    return list(found.values())
