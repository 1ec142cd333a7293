"""Hollow kindness, measured: how formulaic a system's replies are, beside how often they win.

A judge can be won over by phrases that fit anything. These figures need no judge; people's replies are what to be near.
Systems are measured on the same dialogues, since a larger set of replies repeats itself more.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

from empathic.judge.measures.measure import Asking, Means, Measure, Needs, row
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.judge.scores import ScoreRow, Scores
from empathic.text import advises, content, is_stock, phrases, words

COLUMNS = {  # what each figure says, in words
    "words": "words in a reply",
    "distinct_1": "distinct words, over equally many",
    "distinct_2": "distinct pairs of words, likewise",
    "repeats_itself": "repeats itself (of its 3-word phrases)",
    "repeats_others": "repeats another reply (of its 4-word phrases)",
    "openings": "has one of the five commonest openings",
    "stock": "has a stock phrase",
    "asks": "asks something",
    "advises": "gives advice",
    "copies": "copies the message (of its 4-word phrases)",
    "specific": "has a word of its own dialogue",
}
_ORDERS = 20  # of replies, over which distinct words are averaged
_OPENING = 3


@dataclass(frozen=True)
class Hollowness:
    """The figures of one system: `words` a mean, `n` dialogues, all others in 0..1."""

    system: str
    n: int
    words: float
    distinct_1: float
    distinct_2: float
    repeats_itself: float
    repeats_others: float
    openings: float
    stock: float
    asks: float
    advises: float
    copies: float
    specific: float


def panel(
    dialogues: Sequence[EvalDialogue], systems: Mapping[str, Mapping[str, str]], seed: int = 0
) -> list[Hollowness]:
    """The figures of every system, on the dialogues that all of them answered with some word.

    Args:
        dialogues: what the replies answer.
        systems: replies by dialogue id, by system.
        seed: decides in which orders replies are laid end to end to count distinct words.

    Returns:
        A row a system; none where they share no dialogue, or there are no systems.
    """
    shared = [d for d in dialogues if systems and all(words(replies.get(d.id, "")) for replies in systems.values())]
    if not shared:
        return []
    texts = {name: [replies[d.id] for d in shared] for name, replies in systems.items()}
    budget = min(sum(len(words(text)) for text in of) for of in texts.values())
    return [_measured(name, of, shared, budget, seed) for name, of in texts.items()]


def _measured(name: str, replies: list[str], dialogues: Sequence[EvalDialogue], budget: int, seed: int) -> Hollowness:
    said = [words(reply) for reply in replies]
    openings = Counter(tuple(each[:_OPENING]) for each in said)
    four = [phrases(reply, 4) for reply in replies]
    holders = Counter(phrase for each in four for phrase in each)
    return Hollowness(
        system=name,
        n=len(replies),
        words=_mean([len(each) for each in said]),
        distinct_1=_distinct(said, 1, budget, seed),
        distinct_2=_distinct(said, 2, budget, seed),
        repeats_itself=_mean([_again(each, 3) for each in said]),
        repeats_others=_mean([_share(each, {phrase for phrase in each if holders[phrase] > 1}) for each in four]),
        openings=sum(count for _, count in openings.most_common(5)) / len(replies),
        stock=_mean([is_stock(reply) for reply in replies]),
        asks=_mean(["?" in reply for reply in replies]),
        advises=_mean([advises(reply) for reply in replies]),
        copies=_mean([_share(each, phrases(d.utterance, 4)) for each, d in zip(four, dialogues, strict=True)]),
        specific=_mean(
            [
                bool(content(reply) & content(f"{d.situation} {d.utterance}"))
                for reply, d in zip(replies, dialogues, strict=True)
            ]
        ),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _share(found: set[tuple[str, ...]], among: set[tuple[str, ...]]) -> float:
    return len(found & among) / len(found) if found else 0.0


def _again(said: list[str], length: int) -> float:
    """The share of a text's phrases that stood in it before."""
    every = [tuple(said[i : i + length]) for i in range(len(said) - length + 1)]
    return 1 - len(set(every)) / len(every) if every else 0.0


def _distinct(said: list[list[str]], length: int, budget: int, seed: int) -> float:
    """Distinct-n (Li et al. 2016, arXiv 1510.03055) of the first `budget` words, the mean over orders of the replies.

    Longer texts repeat more, so that only equal numbers of words can be compared; phrases don't cross replies.
    """
    shares = []
    for number in range(_ORDERS):
        order = random.Random(f"{seed} {number}").sample(said, len(said))
        found, left = [], budget
        for reply in order:
            kept = reply[:left]
            left -= len(kept)
            found += [tuple(kept[i : i + length]) for i in range(len(kept) - length + 1)]
        shares.append(len(set(found)) / len(found) if found else 0.0)
    return _mean(shares)


@dataclass(frozen=True)
class HollownessMeasure(Measure):
    """The figures of a set's `whole` systems: rows without an id, a figure a question. They decide nothing."""

    name: ClassVar[str] = "hollowness"
    needs: ClassVar[Needs] = "nothing"
    judge: str = ""

    @classmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """One: it needs nothing."""
        return [cls()]

    def count(self, of: EvalSet) -> int:
        """None: it asks nothing."""
        return 0

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterator[ScoreRow]:
        """A row a figure of each system."""
        for figures in panel(of.dialogues, of.whole):
            for name, value in asdict(figures).items():
                if name != "system":
                    yield row(self, figures.system, None, value, name)


def read_panel(scores: Scores) -> list[Hollowness]:
    """The figures of every system, from their rows."""
    by_system = scores.figures(HollownessMeasure.name)
    return [
        Hollowness(system, n=int(of["n"]), **{name: of[name] for name in COLUMNS}) for system, of in by_system.items()
    ]
