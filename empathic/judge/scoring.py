"""Scores of replies, for a run and without one: every judge asked all that it is to ask, then specificity."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from empathic import models
from empathic.endpoint import open_endpoint
from empathic.judge import behaviours, pairwise, verdicts
from empathic.judge.epitome import Scorer
from empathic.judge.specificity import Specificity
from empathic.ledger import Ledger
from empathic.recipe import Judge
from empathic.student import prompt

_SCORER = "smollm2-135m"


@dataclass(frozen=True)
class Set:
    """What is scored: a reply is held against others of its own set alone.

    Attributes:
        dialogues: what the replies answer.
        systems: replies by system.
        pairs: systems that judges with `pairwise` hold against each other.
        unasked: replies by system whose specificity alone is wanted; may hold more of a system of `systems`.
    """

    dialogues: Sequence[verdicts.Tested]
    systems: Mapping[str, verdicts.Replies]
    pairs: Sequence[tuple[str, str]] = ()
    unasked: Mapping[str, verdicts.Replies] = field(default_factory=dict)


def score(
    sets: Sequence[Set],
    judges: Sequence[Judge],
    ledger: Ledger,
    scorer: Specificity,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = print,
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
        say: told of a model being fetched.
        levels: an EPITOME scorer, whose levels are then a measure too.

    Raises:
        UserError: an endpoint that can't be reached, or a set of fewer than two different dialogues.
    """
    total = sum(answers(one, judges, levels) for one in sets)
    done = itertools.count(1)

    def advance() -> None:
        progress(next(done), total)

    found = [verdicts.Scores() for _ in sets]
    for judge in judges:
        with open_endpoint(judge.endpoint, judge.model, judge.key_env, say=say) as endpoint:
            for one, scores in zip(sets, found, strict=True):
                verdicts.score_behaviours(
                    one.dialogues, one.systems, endpoint, ledger, scores, advance, judge.name, judge.questions
                )
                if judge.pairwise:
                    verdicts.score_pairwise(
                        one.dialogues, one.systems, one.pairs, endpoint, ledger, scores, advance, judge.name
                    )
    for one, scores in zip(sets, found, strict=True):
        systems = {**one.systems, **one.unasked}
        verdicts.score_specificity(one.dialogues, systems, scorer, seed, scores, advance)
        if levels:
            verdicts.score_levels(one.dialogues, systems, levels, scores, advance)
    return found


def answers(one: Set, judges: Sequence[Judge], levels: Scorer | None = None) -> int:
    """How many answers and scores a set takes."""
    replies = sum(map(len, one.systems.values()))
    both = sum(len(one.systems[a].keys() & one.systems[b].keys()) for a, b in one.pairs)
    asked = sum(questions(judge, replies, both) for judge in judges)
    return asked + (1 + bool(levels)) * sum(map(len, {**one.systems, **one.unasked}.values()))


def questions(judge: Judge, replies: int, pairs: int) -> int:
    """How many questions a judge is asked about so many replies, and pairs of them."""
    return len(behaviours.questions(judge.questions).texts) * replies + judge.pairwise * pairwise.ORDERS * pairs


def scored(
    sets: Sequence[Set],
    judge: Judge,
    ledger: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    seed: int = 0,
    levels: Scorer | None = None,
) -> list[verdicts.Scores]:
    """Scores without a run: one judge, specificity under SmolLM2-135M, answers kept in `ledger` or the user's cache.

    Raises:
        UserError: as `score` does.
    """
    with opened(ledger) as kept:
        scorer = Specificity(_SCORER, None, prompt.instruction("brief"), kept)
        return score(sets, [judge], kept, scorer, seed, progress, levels=levels)


def opened(ledger: Path | None) -> closing[Ledger]:
    """A ledger, or the one in the user's cache, for a `with` block."""
    return closing(Ledger(ledger or models.cache() / "ledger.sqlite"))
