"""What is said of a run's systems once all are scored, as its manifest and summary hold it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Any

from empathic.judge import controls, verdicts
from empathic.judge.comparisons import added, comparisons, headline
from empathic.judge.derived import at_equal_lengths, differences, judge_kappas, judges_agree, ranking
from empathic.judge.scores import Scores
from empathic.judge.sendable import sendable
from empathic.recipe import BASE, Recipe
from empathic.stats.corrected import Labelled
from empathic.stats.win_rate import rounded


def results(
    scores: Scores,
    recipe: Recipe,
    references: Sequence[str],
    errors: Labelled | None = None,
    learnt: Collection[str] = (),
) -> dict[str, Any]:
    """All that follows from scores.

    Args:
        scores: of every system, the controls among them.
        recipe: the run's, whose steps say which systems are held against which.
        references: origins of known replies, which are ranked with the systems.
        errors: of the scorer of readings, where there is one.
        learnt: ids of dialogues whose messages that scorer learnt from.
    """
    pairs, main = comparisons(recipe, references), headline(recipe)
    compared = [*recipe.systems, *references]
    return {
        "sendable": [rounded(row) for row in sendable(scores, compared, errors, learnt)],
        "win_rates": [rate.to_row() for pair in pairs for rate in verdicts.compare(*pair, scores)[1]],
        "length_controlled": [rate.to_row() for pair in pairs for rate in at_equal_lengths(*pair, scores)],
        "differences": [row for pair in added(recipe) for row in differences(*pair, BASE, scores)],
        "ranking": [rounded(one) for one in ranking(scores, compared)],
        "who_beats_whom": [
            rate.to_row()
            for pair in itertools.permutations(compared, 2)
            for rate in verdicts.compare(*pair, scores)[1]
            if rate.measure == "agreed"
        ],
        "alpha": judges_agree(*main, scores),
        "judge_kappas": judge_kappas(*main, scores),
        "controls": {
            by: {
                name: {"rate": round(rate.estimate, 4), "n": rate.n, "passes": controls.passes(rate)}
                for name, rate in found.items()
            }
            for by, found in verdicts.control_rates(scores).items()
        },
    }
