"""What is said of a run's systems once all are scored, as its manifest and summary hold it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from empathic.judge import controls, verdicts
from empathic.judge.derived import at_equal_lengths, differences, judge_kappas, judges_agree, ranking
from empathic.stats.win_rate import rounded


def results(scores: verdicts.Scores, pairs: Sequence[tuple[str, str]], compared: Sequence[str]) -> dict[str, Any]:
    """All that follows from scores.

    Args:
        scores: of every system, the controls among them.
        pairs: whose win rates are wanted, also at equal lengths.
        compared: the systems that are ranked, each held against each other one.
    """
    return {
        "win_rates": [rate.to_row() for pair in pairs for rate in verdicts.compare(*pair, scores)[1]],
        "length_controlled": [rate.to_row() for pair in pairs for rate in at_equal_lengths(*pair, scores)],
        "differences": differences("dpo", "sft", "base", scores),
        "ranking": [rounded(one) for one in ranking(scores, compared)],
        "who_beats_whom": [
            rate.to_row()
            for pair in itertools.permutations(compared, 2)
            for rate in verdicts.compare(*pair, scores)[1]
            if rate.judge == "agreed"
        ],
        "alpha": judges_agree("dpo", "base", scores),
        "judge_kappas": judge_kappas("dpo", "base", scores),
        "controls": {
            by: {
                name: {"rate": round(rate.estimate, 4), "n": rate.n, "passes": controls.passes(rate)}
                for name, rate in found.items()
            }
            for by, found in verdicts.control_rates(scores).items()
        },
    }
