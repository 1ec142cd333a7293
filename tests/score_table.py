"""Tables of scores from what a test cares about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from empathic.judge.measures.levels import BEHAVIOURS
from empathic.judge.scores import ScoreRow, Scores

Numbers = Mapping[str, Mapping[str, float]]  # system -> dialogue id -> number


def table(
    log_odds: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]] | None = None,
    pmi: Numbers | None = None,
    levels: Mapping[str, Numbers] | None = None,
    words: Numbers | None = None,
) -> Scores:
    """Scores by judge, system, dialogue id and question; a reply without a question is one that got no useful answer.

    A level is that of all three behaviours.
    """

    def rows() -> Iterator[ScoreRow]:
        for judge, systems in (log_odds or {}).items():
            for system, replies in systems.items():
                for id, odds in replies.items():
                    for question, value in odds.items() or [("heard", None)]:
                        yield ScoreRow("behaviours", judge, system, id, question, value)
        for judge, levelled in (levels or {}).items():
            for system, of_system in levelled.items():
                for id, level in of_system.items():
                    yield from (ScoreRow("levels", judge, system, id, name, level) for name in BEHAVIOURS)
        for measure, numbers in (("specificity", pmi or {}), ("words", words or {})):
            for system, of_system in numbers.items():
                yield from (ScoreRow(measure, "", system, id, "", number) for id, number in of_system.items())

    return Scores(rows())
