"""Which questions about a reply tell most: every combination of a file's questions, on the first half of the controls.

    python benchmarks/questions.py [--questions FILE] [--most 3] [--dialogues 12] [--top 8] [--judge ENDPOINT]

A combination is worth how often its mean log-odds prefers the good reply of `empathic judge controls`, on average over
the faults. Beside that stands by how much it is more than the default questions' own, by dialogue. Of so many
combinations the best is best by luck too: what is chosen is to be reported on the other half (`judge controls --half
2`). Answers are kept in the ledger, and asked once.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from statistics import fmean

from empathic.cli.progress import Progress
from empathic.judge.measures.behaviours import BehavioursMeasure, questions
from empathic.judge.scores import Scores
from empathic.judge.trials import perturbations
from empathic.recipe import Judge
from empathic.stats.paired import clustered_difference
from empathic.stats.win_rate import outcome

CANDIDATES = Path(str(resources.files("empathic.judge") / "prompts" / "candidates.yaml"))
Seen = dict[str, list[float]]  # dialogue id -> an outcome a fault: 1, 0.5 or 0 for the good reply


def seen(scores: Scores, names: Sequence[str]) -> Seen:
    """Whether these questions together prefer the good reply, on the dialogues where the judge answered them all."""
    (judge,) = scores.judges(BehavioursMeasure.name)
    odds = {of: scores.answers(BehavioursMeasure.name, judge, of) for of in ("good", *perturbations.FAULTS)}
    answered = [id for id in odds["good"] if all(of[id].keys() >= set(names) for of in odds.values())]

    def together(system: str, id: str) -> float:
        return fmean(odds[system][id][name] for name in names)

    return {
        id: [outcome(together("good", id), together(fault, id)) for fault in perturbations.FAULTS] for id in answered
    }


def worth(found: Seen) -> float:
    """The share of good replies preferred."""
    return fmean(map(fmean, found.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Which questions about a reply tell most.")
    parser.add_argument("--questions", type=Path, default=CANDIDATES)
    parser.add_argument("--most", type=int, default=3, help="questions in a combination")
    parser.add_argument("--dialogues", type=int, help="default: all of the half")
    parser.add_argument("--top", type=int, default=8, help="combinations to show, beside each question alone and all")
    parser.add_argument("--judge", default=Judge().endpoint)
    parser.add_argument("--ledger", type=Path)
    given = parser.parse_args()

    def asked(file: str | None) -> Scores:
        with Progress() as display:
            judge = Judge(endpoint=given.judge, questions=file)
            return perturbations.trial(judge, given.ledger, given.dialogues, display.counting("judge"), half=1)

    default, others = asked(None), asked(str(given.questions))
    ours, theirs = tuple(questions().texts), tuple(questions(str(given.questions)).texts)
    combinations = [of for size in range(1, given.most + 1) for of in itertools.combinations(theirs, size)]
    beside, found = seen(default, ours), {of: seen(others, of) for of in {*combinations, theirs}}
    ranked = sorted(found, key=lambda of: -worth(found[of]))
    print(f"{len(found)} combinations, {len(beside)} dialogues, {len(perturbations.FAULTS)} faults\n")
    print("| questions | a good reply preferred | points more than the default | p |\n|---|---|---|---|")
    print(f"| the default: {', '.join(ours)} | {worth(beside):.1%} | | |")
    for of in [of for rank, of in enumerate(ranked) if rank < given.top or len(of) in (1, len(theirs))]:
        more = clustered_difference(found[of], beside)
        by = f"{100 * more.estimate:+.1f} ({100 * more.low:+.1f} to {100 * more.high:+.1f})"
        print(f"| {'all' if of == theirs else ', '.join(of)} | {worth(found[of]):.1%} | {by} | {more.p:.2f} |")


if __name__ == "__main__":
    main()
