"""Scores of replies, for a run and without one: every judge asked all that it is to ask, then the models."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from empathic import models
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.judge.measures import registry
from empathic.judge.measures.epitome import EpitomeMeasure, Scorer
from empathic.judge.measures.measure import Asking, Means, Measure
from empathic.judge.measures.reader import Reader, ReadingMeasure
from empathic.judge.measures.specificity import Specificity, SpecificityMeasure
from empathic.judge.replies import EvalSet
from empathic.judge.scores import ScoreRow, Scores
from empathic.recipe import Judge
from empathic.student import prompt

_SCORER = "smollm2-135m"
Log = Callable[[str], None]


def models_of(specificity: Specificity, levels: Scorer | None = None, reader: Reader | None = None) -> dict[str, Any]:
    """The models of measures that need one, as `Means` has them."""
    found = {ReadingMeasure.name: reader, SpecificityMeasure.name: specificity, EpitomeMeasure.name: levels}
    return {name: model for name, model in found.items() if model}


def score(
    sets: Sequence[EvalSet],
    means: Means,
    ledger: Ledger,
    progress: Callable[[int, int], None] = lambda done, total: None,
    log: Log = print,
) -> list[Scores]:
    """Scores of every set by every measure.

    Args:
        sets: what to score.
        means: who is asked, and the models of measures that need one; each judge is reached once.
        ledger: where answers are kept.
        progress: told how many of how many answers are there.
        log: told of a model being fetched, of answers that were of no use, and of a measure being left out, where a set
            lacks what it takes.

    Raises:
        UserError: an endpoint that can't be reached, or a judge none of whose answers is of use.
    """
    measures = registry.instances(means)
    lacking = ((measure.name, measure.lacks(one)) for measure in measures for one in sets)
    for name, what in dict.fromkeys(lacking):
        if what:
            log(f"{name} is left out: it takes {what}")
    total = sum(measure.count(one) for measure in measures for one in sets if not measure.lacks(one))
    done = itertools.count(1)

    def advance() -> None:
        progress(next(done), total)

    found = [Scores() for _ in sets]
    for judge in means.judges:
        asked = [measure for measure in measures if measure.needs == "endpoint" and measure.judge == judge.name]
        where, more = judge.endpoint, judge.extra_body
        with open_endpoint(where, judge.model, judge.key_env, log=log, extra_body=more) as endpoint:
            by_measure = _scored(sets, asked, found, Asking(endpoint, ledger), advance)
        for measure, rows in by_measure:
            _warn(judge, measure, rows, log)
    _scored(sets, [measure for measure in measures if measure.needs != "endpoint"], found, None, advance)
    return found


def _scored(
    sets: Sequence[EvalSet],
    measures: Sequence[Measure],
    found: Sequence[Scores],
    asking: Asking | None,
    advance: Callable[[], None],
) -> list[tuple[Measure, list[ScoreRow]]]:
    """Add the rows of every set to its scores, and return those of all sets by measure."""
    by_measure: list[tuple[Measure, list[ScoreRow]]] = [(measure, []) for measure in measures]
    for one, scores in zip(sets, found, strict=True):
        for measure, every in by_measure:
            if not measure.lacks(one):
                rows = list(measure.score(one, asking, advance))
                scores.add(rows)
                every += rows
    return by_measure


def _warn(judge: Judge, measure: Measure, rows: Sequence[ScoreRow], log: Log) -> None:
    """Say how many of a judge's answers were of no use.

    Raises:
        UserError: all of them.
    """
    useless = sum(row.value is None for row in rows)
    if useless and useless == len(rows):
        raise UserError(f"{judge.endpoint}: all {useless} {measure.no_use}; give {judge.name} another endpoint")
    if useless:
        log(f"{judge.name}: {useless} of {len(rows)} {measure.no_use}")


def questions(judge: Judge, of: EvalSet) -> int:
    """How many questions a judge is asked about a set."""
    asked = registry.instances(Means([judge]))
    return sum(measure.count(of) for measure in asked if measure.needs == "endpoint" and not measure.lacks(of))


def scored(
    sets: Sequence[EvalSet],
    judge: Judge,
    ledger: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    seed: int = 0,
    levels: Scorer | None = None,
    log: Log = lambda line: print(line, file=sys.stderr),
) -> list[Scores]:
    """Scores without a run: one judge, specificity under SmolLM2-135M, answers kept in `ledger` or the user's cache.

    What `score` says goes to stderr, so that printed figures stay whole.

    Raises:
        UserError: as `score` does.
    """
    with opened(ledger) as kept:
        scorer = Specificity(_SCORER, None, prompt.instruction("brief"), kept)
        return score(sets, Means([judge], models_of(scorer, levels), seed), kept, progress, log)


def opened(ledger: Path | None) -> closing[Ledger]:
    """A ledger, or the one in the user's cache, for a `with` block."""
    return closing(Ledger(ledger or models.cache() / "ledger.sqlite"))
