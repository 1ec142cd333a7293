"""Human votes, and how well each judge agrees with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from empathic import files
from empathic.run import Run
from empathic.stats.agreement import agreement, alpha
from empathic.stats.corrected import human_corrected_rate
from empathic.stats.win_rate import majority, outcome, rounded, win_rate
from empathic.vote.ballot_pairs import shown
from empathic.vote.ballots import Vote, votes

Outcomes = dict[str, dict[str, float]]  # measure -> dialogue -> 1, 0.5 or 0 for the first system


def tally(run: Run) -> list[dict[str, Any]]:
    """A row for each pair of systems that people voted on, as they reply now.

    Returns:
        Rows `a, b, raters, votes, stale` (votes on replies that have changed since: they count nowhere, and a pair with
        no others has no row), `win_rate` (over dialogues, by the vote of its raters), `alpha` (Krippendorff's, among
        raters; None where no dialogue has two) and `judges`: for each measure, and each question of behaviours, the
        share of dialogues on which it says what people say, quadratically weighted kappa with its interval, and, where
        it judged dialogues that nobody voted on, its win rate on those as `corrected` by its errors on the others.

    Raises:
        UserError: the votes can't be read.
    """
    cast: dict[tuple[str, str], list[Vote]] = {}
    for vote in votes(run.votes_file, run.systems) if run.votes_file.exists() else ():
        cast.setdefault(vote.pair, []).append(vote)
    rows = []
    for (a, b), all_cast in cast.items():
        now = shown(run, a, b)
        fresh = [vote for vote in all_cast if now.get(vote.dialogue) == vote.shown]
        if fresh:
            rows.append({"a": a, "b": b, "stale": len(all_cast) - len(fresh), **_counted(run, a, b, fresh)})
    return rows


def _counted(run: Run, a: str, b: str, fresh: Sequence[Vote]) -> dict[str, Any]:
    by_rater: dict[str, dict[str, float]] = {}
    by_dialogue: dict[str, list[float]] = {}
    for vote in fresh:
        by_rater.setdefault(vote.rater, {})[vote.dialogue] = vote.outcome
        by_dialogue.setdefault(vote.dialogue, []).append(vote.outcome)
    people = {id: majority(said) for id, said in by_dialogue.items()}
    return {
        "raters": len(by_rater),
        "votes": len(fresh),
        "win_rate": win_rate(a, b, "people", [*people.values()]).to_row(),
        "alpha": alpha([*by_rater.values()]),
        "judges": [
            {"measure": measure, **rounded(agrees), "corrected": _corrected(people, said)}
            for measure, said in _judged(run, a, b).items()
            if (agrees := _agreement(people, said))
        ],
    }


def _agreement(people: dict[str, float], judge: dict[str, float]) -> Any:
    ids = sorted(people.keys() & judge.keys())
    if not ids:
        return None
    return agreement([int(2 * people[id]) for id in ids], [int(2 * judge[id]) for id in ids], ids)


def _corrected(people: dict[str, float], judge: dict[str, float]) -> dict[str, Any] | None:
    """A judge's win rate where nobody voted, as people would have found it; None where that can't be told."""
    labelled = [(vote, judge[id]) for id, vote in people.items() if id in judge]
    rest = [won for id, won in judge.items() if id not in people]
    try:
        return {**rounded(human_corrected_rate(labelled, rest)), "n": len(rest)}
    except ValueError:  # nothing left to judge, labels of one kind alone, or a judge that tells nothing
        return None


def _judged(run: Run, a: str, b: str) -> Outcomes:
    """What every measure, and every question, says of two systems; nothing where they weren't judged."""
    found: Outcomes = {}
    for first, second in ((a, b), (b, a)):
        path = run.verdicts(first, second)
        for row in files.read_jsonl(path) if path.exists() else ():
            said = {**row["outcomes"], **_by_question(row["scores"][first], row["scores"][second])}
            for measure, won in said.items():
                found.setdefault(measure, {})[row["id"]] = won if first == a else 1 - won
    return found


def _by_question(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """Who won by each question of each judge; named by the judge too where there are several."""
    of_one, of_other = one.get("probabilities", {}), other.get("probabilities", {})
    return {
        f"{judge}: {question}" if len(of_one) > 1 else question: outcome(chance, of_other[judge][question])
        for judge, questions in of_one.items()
        for question, chance in questions.items()
        if question in of_other.get(judge, {})
    }
