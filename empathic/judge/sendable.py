"""How many of a system's replies a reader would send, as a scorer of readings sees it, corrected by its errors.

The scorer's errors were counted on messages that it did not learn from. The rate is Rogan and Gladen's and its interval
Lang and Reiczigel's (`stats/corrected.py`), which is wider than one of readings: it holds what the scorer may be wrong
by, as far as it errs on these replies as it did on those.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from empathic.judge.measures.reader import SEND, ReadingMeasure
from empathic.judge.scores import Scores
from empathic.stats.corrected import Labelled, rogan_gladen_rate

SENT = 0.5  # the probability from which a reply counts as one to be sent


@dataclass(frozen=True)
class Sendable:
    """The share of a system's replies that a reader would send, with its 95% interval; `said`, by the scorer's word."""

    system: str
    said: float
    estimate: float
    low: float
    high: float
    n: int


def sendable(
    scores: Scores, systems: Sequence[str], errors: Labelled | None, learnt: Collection[str] = ()
) -> list[Sendable]:
    """A row a system with scores; none where nothing is known of the scorer's errors, or it is no better than a coin.

    Args:
        scores: those of `ReadingMeasure` among them.
        systems: whose.
        errors: how the scorer did on replies that readers read: `wins` are those to be sent.
        learnt: ids of dialogues whose messages it learnt from, which count for nothing.
    """
    rows = []
    for system in systems:
        answers = scores.answers(ReadingMeasure.name, "", system)
        found = [of[SEND] >= SENT for id, of in answers.items() if SEND in of and id not in learnt]
        if not found or errors is None:
            continue
        try:
            rate = rogan_gladen_rate(sum(found), len(found), errors)
        except ValueError:
            continue
        said = sum(found) / len(found)
        rows.append(Sendable(system, said, rate.estimate, rate.low, rate.high, len(found)))
    return rows


def errors_of(sent: Sequence[bool], scores: Sequence[float]) -> Labelled:
    """How often a scorer's word was a reader's, of replies to be sent and of others."""
    seen = [score >= SENT for score in scores]
    hits = [one == other for one, other in zip(sent, seen, strict=True)]
    return Labelled(
        wins=sum(sent),
        wins_seen=sum(hit for hit, one in zip(hits, sent, strict=True) if one),
        losses=len(sent) - sum(sent),
        losses_seen=sum(hit for hit, one in zip(hits, sent, strict=True) if not one),
    )
