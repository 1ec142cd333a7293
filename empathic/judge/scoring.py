"""Scores of replies without a run: one judge, one ledger, both measures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from empathic import models
from empathic.endpoint import open_endpoint
from empathic.judge import verdicts
from empathic.judge.behaviours import QUESTIONS
from empathic.judge.specificity import Specificity
from empathic.ledger import Ledger
from empathic.student import prompt

_SCORER = "smollm2-135m"
Asked = tuple[Sequence[verdicts.Tested], Mapping[str, verdicts.Replies]]  # dialogues, and replies by system


def scored(
    sets: Sequence[Asked],
    judge: str,
    model: str | None = None,
    key_env: str | None = None,
    ledger: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    seed: int = 0,
) -> list[verdicts.Scores]:
    """Scores of every set of replies, by behaviours and by specificity under SmolLM2-135M.

    Args:
        sets: what to score; replies are held against others of their own set alone.
        judge: the judge's endpoint.
        model: its model, where the server has several.
        key_env: the environment variable with its key.
        ledger: where answers are kept; default: in the user's cache.
        progress: told how many of how many scores are there.
        seed: decides which other dialogues a reply's specificity is held against.

    Raises:
        UserError: an endpoint that can't be reached, or a set of fewer than two different dialogues.
    """
    total = (len(QUESTIONS) + 1) * sum(len(replies) for _, systems in sets for replies in systems.values())
    done = itertools.count(1)

    def advance() -> None:
        progress(next(done), total)

    found = [verdicts.Scores() for _ in sets]
    kept = Ledger(ledger or models.cache() / "ledger.sqlite")
    try:
        with open_endpoint(judge, model, key_env) as endpoint:
            for (tested, systems), scores in zip(sets, found, strict=True):
                verdicts.score_behaviours(tested, systems, endpoint, kept, scores, advance)
        scorer = Specificity(_SCORER, None, prompt.instruction("brief"), kept)
        for (tested, systems), scores in zip(sets, found, strict=True):
            verdicts.score_specificity(tested, systems, scorer, seed, scores, advance)
    finally:
        kept.close()
    return found
