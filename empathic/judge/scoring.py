"""Scores of replies, for a run and without one: every judge asked all that it is to ask, then specificity."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from empathic import models
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.judge import verdicts
from empathic.judge.measures import behaviours, pairwise
from empathic.judge.measures.epitome import Scorer
from empathic.judge.measures.levels import BEHAVIOURS
from empathic.judge.measures.specificity import Specificity
from empathic.judge.replies import EvalDialogue, Replies
from empathic.recipe import Judge
from empathic.student import prompt

_SCORER = "smollm2-135m"
_USELESS = {  # by the way of asking
    "behaviours": "answers were neither yes nor no",
    "pairwise": "pairs had an answer that was neither A nor B",
    "levels": "answers named no level",
}


@dataclass(frozen=True)
class EvalSet:
    """What is scored: a reply is held against others of its own set alone.

    Attributes:
        dialogues: what the replies answer.
        systems: replies by system.
        pairs: systems that judges with `pairwise` hold against each other.
        unasked: replies by system whose specificity alone is wanted; may hold more of a system of `systems`.
    """

    dialogues: Sequence[EvalDialogue]
    systems: Mapping[str, Replies]
    pairs: Sequence[tuple[str, str]] = ()
    unasked: Mapping[str, Replies] = field(default_factory=dict)


def score(
    sets: Sequence[EvalSet],
    judges: Sequence[Judge],
    ledger: Ledger,
    scorer: Specificity,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    log: Callable[[str], None] = print,
    levels: Scorer | None = None,
) -> list[verdicts.Scores]:
    """Scores of every set by every judge, and by specificity.

    Args:
        sets: what to score.
        judges: who is asked; each is reached once.
        ledger: where answers are kept.
        scorer: whose log-probabilities specificity comes from.
        seed: decides which other dialogues a reply's specificity is held against.
        progress: told how many of how many answers are there.
        log: told of a model being fetched, of answers that were of no use, and of specificity being left out, where
            a set has fewer than two different messages.
        levels: an EPITOME scorer, whose levels are then a measure too.

    Raises:
        UserError: an endpoint that can't be reached, or a judge none of whose answers is of use.
    """
    if not all(map(_specific, sets)):
        log("specificity is left out: it takes replies to two different messages")
    total = sum(answers(one, judges, levels) for one in sets)
    done = itertools.count(1)

    def advance() -> None:
        progress(next(done), total)

    found = [verdicts.Scores() for _ in sets]
    for judge in judges:
        useless: Counter[str] = Counter()
        with open_endpoint(judge.endpoint, judge.model, judge.key_env, log=log) as endpoint:
            for one, scores in zip(sets, found, strict=True):
                useless["behaviours"] += verdicts.score_behaviours(
                    one.dialogues, one.systems, endpoint, ledger, scores, advance, judge.name, judge.questions
                )
                if judge.pairwise:
                    useless["pairwise"] += verdicts.score_pairwise(
                        one.dialogues, one.systems, one.pairs, endpoint, ledger, scores, advance, judge.name
                    )
                if judge.levels:
                    useless["levels"] += verdicts.score_asked_levels(
                        one.dialogues, one.systems, endpoint, ledger, scores, advance, judge.name
                    )
        _tell(judge, sets, useless, log)
    for one, scores in zip(sets, found, strict=True):
        systems = {**one.systems, **one.unasked}
        if _specific(one):
            verdicts.score_specificity(one.dialogues, systems, scorer, seed, scores, advance)
        if levels:
            verdicts.score_levels(one.dialogues, systems, levels, scores, advance)
    return found


def _specific(one: EvalSet) -> bool:
    """Whether there is another message to hold a reply against."""
    return len({d.utterance for d in one.dialogues}) > 1


def _tell(judge: Judge, sets: Sequence[EvalSet], useless: Counter[str], log: Callable[[str], None]) -> None:
    """Say how many of a judge's answers were of no use.

    Raises:
        UserError: all of them.
    """
    wanted: Counter[str] = Counter()
    for one in sets:
        wanted.update(_wanted(judge, *_counts(one)))
    for way, count in useless.items():
        if count and count == wanted[way]:
            raise UserError(f"{judge.endpoint}: all {count} {_USELESS[way]}; give {judge.name} another endpoint")
        if count:
            log(f"{judge.name}: {count} of {wanted[way]} {_USELESS[way]}")


def _wanted(judge: Judge, replies: int, pairs: int) -> dict[str, int]:
    """How much a judge is to answer of so many replies, and pairs of them, by the way of asking."""
    asked = {"behaviours": replies * len(behaviours.questions(judge.questions).texts)}
    return asked | {"pairwise": judge.pairwise * pairs, "levels": judge.levels * len(BEHAVIOURS) * replies}


def _counts(one: EvalSet) -> tuple[int, int]:
    """A set's replies, and its pairs of replies."""
    both = sum(len(one.systems[a].keys() & one.systems[b].keys()) for a, b in one.pairs)
    return sum(map(len, one.systems.values())), both


def answers(one: EvalSet, judges: Sequence[Judge], levels: Scorer | None = None) -> int:
    """How many answers and scores a set takes."""
    asked = sum(questions(judge, *_counts(one)) for judge in judges)
    return asked + (_specific(one) + bool(levels)) * sum(map(len, {**one.systems, **one.unasked}.values()))


def questions(judge: Judge, replies: int, pairs: int) -> int:
    """How many questions a judge is asked about so many replies, and pairs of them."""
    wanted = _wanted(judge, replies, pairs)
    return sum(wanted.values()) + (pairwise.ORDERS - 1) * wanted["pairwise"]


def scored(
    sets: Sequence[EvalSet],
    judge: Judge,
    ledger: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    seed: int = 0,
    levels: Scorer | None = None,
    log: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> list[verdicts.Scores]:
    """Scores without a run: one judge, specificity under SmolLM2-135M, answers kept in `ledger` or the user's cache.

    What `score` says goes to stderr, so that printed figures stay whole.

    Raises:
        UserError: as `score` does.
    """
    with opened(ledger) as kept:
        scorer = Specificity(_SCORER, None, prompt.instruction("brief"), kept)
        return score(sets, [judge], kept, scorer, seed, progress, log, levels)


def opened(ledger: Path | None) -> closing[Ledger]:
    """A ledger, or the one in the user's cache, for a `with` block."""
    return closing(Ledger(ledger or models.cache() / "ledger.sqlite"))
