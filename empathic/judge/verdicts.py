"""From replies to scores, from scores to verdicts, from verdicts to win rates."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.judge import controls
from empathic.judge.measures import behaviours, levels, pairwise, specificity
from empathic.judge.measures.epitome import Scorer
from empathic.judge.replies import EvalDialogue, Replies
from empathic.stats.win_rate import WinRate, majority, outcome, unanimous, win_rate

MEASURES = ("behaviours", "specificity")  # that `agreed` wants of one mind


@dataclass
class Scores:
    """Scores of replies.

    Attributes:
        log_odds: log-odds by judge, system, dialogue id and question; questions without an answer are left out.
        preferred: by judge, pair of systems and id, what the judge said of the two: 1, 0.5 or 0 for the first.
        pmi: specificity by system and id.
        levels: mean level of EPITOME's three behaviours, 0 to 2, by judge ("" is the trained scorer), system and id.
        words: words by system and id.
    """

    log_odds: dict[str, dict[str, dict[str, dict[str, float]]]] = field(default_factory=dict)
    preferred: dict[str, dict[tuple[str, str], dict[str, float]]] = field(default_factory=dict)
    pmi: dict[str, dict[str, float]] = field(default_factory=dict)
    levels: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    words: dict[str, dict[str, int]] = field(default_factory=dict)

    def behaviours(self, judge: str, system: str, id: str) -> float:
        """A judge's mean log-odds of the good answer over the questions that it answered.

        Raises:
            ZeroDivisionError: it answered none.
        """
        odds = self.log_odds[judge][system][id]
        return sum(odds.values()) / len(odds)

    def level(self, system: str, id: str) -> float | None:
        """The mean level by all who were asked for levels; None where one of them has none."""
        found = [value for of in self.levels.values() if (value := of.get(system, {}).get(id)) is not None]
        return sum(found) / len(found) if found and len(found) == len(self.levels) else None

    def outcomes(self, a: str, b: str) -> dict[str, dict[str, float]]:
        """Who won each dialogue that both systems were scored on: id -> measure -> 1, 0.5 or 0 for `a`.

        The measures are the judges of a panel by name (where there are several), `behaviours` by their vote,
        `specificity`, `agreed` where both are there, `levels`, and `pairwise` by the vote of those who were asked. A
        judge goes by the questions that it answered about both replies, and has no say where there are none.
        """
        by_judge: dict[str, dict[str, float]] = {}
        for judge, of_judge in self.log_odds.items():
            for id in of_judge.get(a, {}).keys() & of_judge.get(b, {}).keys():
                one, other = of_judge[a][id], of_judge[b][id]
                if both := [question for question in one if question in other]:
                    won = outcome(*(sum(of[question] for question in both) / len(both) for of in (one, other)))
                    by_judge.setdefault(id, {})[judge] = won
        panel = len(self.log_odds) > 1
        found = {id: {**(of if panel else {}), "behaviours": majority([*of.values()])} for id, of in by_judge.items()}
        for id in self.pmi.get(a, {}).keys() & self.pmi.get(b, {}).keys():
            found.setdefault(id, {})["specificity"] = outcome(self.pmi[a][id], self.pmi[b][id])
        for id in {id for of in self.levels.values() for id in of.get(a, {})}:
            mine, theirs = self.level(a, id), self.level(b, id)
            if mine is not None and theirs is not None:
                found.setdefault(id, {})["levels"] = outcome(mine, theirs)
        for of in found.values():
            if of.keys() >= set(MEASURES):
                of["agreed"] = unanimous([of[measure] for measure in MEASURES])
        for id, votes in self._preferences(a, b).items():
            found.setdefault(id, {})["pairwise"] = majority(votes)
        return dict(sorted(found.items()))

    def _preferences(self, a: str, b: str) -> dict[str, list[float]]:
        """What each judge said of the two replies to each dialogue, whichever way round the pair was given."""
        votes: dict[str, list[float]] = {}
        for of_judge in self.preferred.values():
            for id, won in of_judge.get((a, b), {}).items():
                votes.setdefault(id, []).append(won)
            for id, won in of_judge.get((b, a), {}).items():
                votes.setdefault(id, []).append(1 - won)
        return votes


def score_behaviours(
    dialogues: Sequence[EvalDialogue],
    systems: Mapping[str, Replies],
    endpoint: Endpoint,
    ledger: Ledger,
    scores: Scores,
    advance: Callable[[], None] = lambda: None,
    judge: str = "judge",
    questions: str | None = None,
) -> int:
    """Add a judge's log-odds for every reply of every system to `scores`, dialogue by dialogue: prompts are cached.

    Returns:
        How many answers were neither yes nor no.
    """
    of = behaviours.questions(questions)
    places = _places(dialogues, systems)
    asked = [behaviours.JudgedReply(d.utterance, systems[name][d.id], d.emotion) for d, name in places]
    found = behaviours.score(endpoint, asked, ledger, advance, of)
    for (d, name), odds in zip(places, found, strict=True):
        scores.log_odds.setdefault(judge, {}).setdefault(name, {})[d.id] = odds
        scores.words.setdefault(name, {})[d.id] = len(systems[name][d.id].split())
    return len(of.texts) * len(found) - sum(map(len, found))


def _places(dialogues: Sequence[EvalDialogue], systems: Mapping[str, Replies]) -> list[tuple[EvalDialogue, str]]:
    return [(d, name) for d in dialogues for name, replies in systems.items() if d.id in replies]


def score_pairwise(
    dialogues: Sequence[EvalDialogue],
    systems: Mapping[str, Replies],
    pairs: Sequence[tuple[str, str]],
    endpoint: Endpoint,
    ledger: Ledger,
    scores: Scores,
    advance: Callable[[], None] = lambda: None,
    judge: str = "judge",
) -> int:
    """Add which of two replies a judge prefers, for every pair of systems and every dialogue that both answer.

    Returns:
        How many of these have no verdict, for want of an answer that names A or B.
    """
    places = [((a, b), d) for d in dialogues for a, b in pairs if d.id in systems[a] and d.id in systems[b]]
    asked = [pairwise.ReplyPair(d.utterance, systems[a][d.id], systems[b][d.id]) for (a, b), d in places]
    found = pairwise.score(endpoint, asked, ledger, advance)
    for (pair, d), won in zip(places, found, strict=True):
        if won is not None:
            scores.preferred.setdefault(judge, {}).setdefault(pair, {})[d.id] = won
    return found.count(None)


def score_asked_levels(
    dialogues: Sequence[EvalDialogue],
    systems: Mapping[str, Replies],
    endpoint: Endpoint,
    ledger: Ledger,
    scores: Scores,
    advance: Callable[[], None] = lambda: None,
    judge: str = "judge",
) -> int:
    """Add the mean of the levels that a judge expects, for every reply of every system that it names all three of.

    Returns:
        How many answers named no level.
    """
    places = _places(dialogues, systems)
    asked = [behaviours.JudgedReply(d.utterance, systems[name][d.id]) for d, name in places]
    found = levels.score(endpoint, asked, ledger, advance)
    of_judge = scores.levels.setdefault(judge, {})
    for (d, name), of in zip(places, found, strict=True):
        expected = [levels.expected_level(probabilities) for probabilities in of.values() if probabilities]
        if len(expected) == len(of):
            of_judge.setdefault(name, {})[d.id] = sum(expected) / len(expected)
    return sum(probabilities is None for of in found for probabilities in of.values())


def score_specificity(
    dialogues: Sequence[EvalDialogue],
    systems: Mapping[str, Replies],
    scorer: specificity.Specificity,
    seed: int,
    scores: Scores,
    advance: Callable[[], None] = lambda: None,
) -> None:
    """Add nats of specificity for every reply of every system to `scores`.

    Raises:
        UserError: fewer than two different dialogues, so that there is nothing to be specific against.
    """
    if len({d.utterance for d in dialogues}) < 2:
        raise UserError("specificity needs at least two different test dialogues; give it more")
    for d in dialogues:
        names = [name for name, replies in systems.items() if d.id in replies]
        if not names:
            continue
        pool = sorted({other.utterance for other in dialogues} - {d.utterance})
        others = random.Random(f"{seed} {d.id}").sample(pool, min(specificity.OTHERS, len(pool)))
        asked = specificity.SpecificityItem(d.utterance, tuple(others), tuple(systems[name][d.id] for name in names))
        for name, value in zip(names, scorer.score([asked], advance)[0], strict=True):
            scores.pmi.setdefault(name, {})[d.id] = value


def score_levels(
    dialogues: Sequence[EvalDialogue],
    systems: Mapping[str, Replies],
    scorer: Scorer,
    scores: Scores,
    advance: Callable[[], None] = lambda: None,
) -> None:
    """Add the EPITOME scorer's mean level for every reply of every system to `scores`."""
    places = _places(dialogues, systems)
    found = scorer.probabilities(
        [behaviours.JudgedReply(d.utterance, systems[name][d.id]) for d, name in places], advance
    )
    for (d, name), of in zip(places, found, strict=True):
        scores.levels.setdefault("", {}).setdefault(name, {})[d.id] = sum(
            map(levels.expected_level, of.values())
        ) / len(of)


def compare(a: str, b: str, scores: Scores) -> tuple[list[dict[str, Any]], list[WinRate]]:
    """Verdicts of `a` against `b`, a row a dialogue, and win rates by each of the measures of `Scores.outcomes`."""
    found = scores.outcomes(a, b)
    rates = []
    for measure in dict.fromkeys((*scores.log_odds, *MEASURES, "agreed", "levels", "pairwise")):
        outcomes = [of[measure] for of in found.values() if measure in of]
        if outcomes:
            rates.append(win_rate(a, b, measure, outcomes))
    verdicts = [
        {"id": id, "a": a, "b": b, "outcomes": of, "scores": {s: _shown(scores, s, id) for s in (a, b)}}
        for id, of in found.items()
    ]
    return verdicts, rates


def _shown(scores: Scores, system: str, id: str) -> dict[str, Any]:
    """Every probability behind a verdict, by judge."""
    shown: dict[str, Any] = {}
    for judge, of in scores.log_odds.items():
        if id in of.get(system, {}):
            odds = of[system][id]
            shown.setdefault("probabilities", {})[judge] = {
                question: round(behaviours.probability(value), 6) for question, value in odds.items()
            }
            if odds:
                shown.setdefault("log_odds", {})[judge] = round(scores.behaviours(judge, system, id), 4)
    if id in scores.pmi.get(system, {}):
        shown["specificity"] = round(scores.pmi[system][id], 4)
    if (level := scores.level(system, id)) is not None:
        shown["levels"] = round(level, 4)
    return shown


def control_rates(scores: Scores) -> dict[str, dict[str, WinRate]]:
    """How often each measure prefers the reply that is better by construction: judge -> control -> rate."""
    rates: dict[str, dict[str, WinRate]] = {}
    for name, pair in zip(controls.CONTROLS, controls.control_pairs(), strict=True):
        for rate in compare(*pair, scores)[1]:
            rates.setdefault(rate.judge, {})[name] = rate
    return rates
