"""Any two reply files against each other, without a run; the judge is tried on Everyday's test dialogues first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from empathic.dialogues import sources
from empathic.errors import UserError
from empathic.judge import controls, family, verdicts
from empathic.judge.derived import at_equal_lengths
from empathic.judge.measures.hollowness import Hollowness, read_panel
from empathic.judge.replies import EvalDialogue, EvalSet, Replies, read_replies
from empathic.judge.scoring import scored
from empathic.recipe import Dialogues, Judge


@dataclass(frozen=True)
class Compared:
    """Two reply files against each other.

    Attributes:
        win_rates: of the first over the second, rows as `summary.json` has them.
        length_controlled: what is left of them at equal lengths, likewise.
        failed: the controls that each judge failed.
        one_family: the judge, where it is of a teacher's family: rows as `family.related` has them.
        hollowness: how formulaic the replies of both are.
    """

    win_rates: list[dict[str, Any]]
    length_controlled: list[dict[str, Any]]
    failed: dict[str, list[str]]
    one_family: list[dict[str, str]]
    hollowness: list[Hollowness]


def compare_files(
    a: Path,
    b: Path,
    judge: Judge,
    ledger: Path | None = None,
    tried_on: int = 16,
    teachers: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Compared:
    """Win rates of the replies in `a` over those in `b`: by behaviours, by specificity (under SmolLM2-135M), agreed.

    Args:
        a: a reply file; its name without the ending names the system.
        b: another, with the same ids and utterances.
        judge: who is asked.
        ledger: where answers are kept; default: in the user's cache, so that a judge's controls are paid for once.
        tried_on: on how many of Everyday's test dialogues the judge's controls run.
        teachers: who taught the systems, where that is known.
        progress: told how many of how many scores are there.

    Raises:
        UserError: a file that isn't a reply file, or files that don't answer the same dialogues or differ in what
            their speakers feel.
    """
    tested, named = _read(a, b)
    (name_a, _), (name_b, _) = named
    systems = dict(named)
    known = [d for d in sources.load_dialogues(Dialogues(source="everyday-dense"), 0) if d.split == "test"][:tried_on]
    trial = [EvalDialogue.of(d) for d in known]
    trials = controls.control_systems([d.id for d in known], {d.id: d.replies["targeted"].text for d in known}, 0)
    asked = EvalSet(tested, systems, [(name_a, name_b)], whole=systems)
    sets = [asked, EvalSet(trial, trials, controls.control_pairs())]
    scores, tries = scored(sets, judge, ledger, progress)
    failed = {
        by: [name for name, rate in found.items() if not controls.passes(rate)]
        for by, found in verdicts.control_rates(tries).items()
    }
    return Compared(
        win_rates=[rate.to_row() for rate in verdicts.compare(name_a, name_b, scores)[1]],
        length_controlled=[rate.to_row() for rate in at_equal_lengths(name_a, name_b, scores)],
        failed=failed,
        one_family=family.related([judge], teachers),
        hollowness=read_panel(scores),
    )


def _read(a: Path, b: Path) -> tuple[list[EvalDialogue], list[tuple[str, Replies]]]:
    """What two reply files answer, and their replies, by the files' names without their endings."""
    (tested, of_a), (tested_b, of_b) = read_replies(a), read_replies(b)
    said, said_b = {d.id: d.utterance for d in tested}, {d.id: d.utterance for d in tested_b}
    if said != said_b:
        odd = next(id for id in {**said, **said_b} if said.get(id) != said_b.get(id))
        raise UserError(
            f"{b}: doesn't answer the same dialogues as {a} (see id {odd!r}); ids and utterances must match"
        )
    name_a, name_b = a.stem, b.stem
    if name_a == name_b:
        name_a, name_b = str(a), str(b)
    return _labelled(a, b, tested, tested_b), [(name_a, of_a), (name_b, of_b)]


def _labelled(a: Path, b: Path, of_a: list[EvalDialogue], of_b: list[EvalDialogue]) -> list[EvalDialogue]:
    """The dialogues with the emotion that either file names, in an order that doesn't hang on which file is first."""
    emotions = {d.id: d.emotion for d in of_a}
    for d in of_b:
        known = emotions[d.id]
        if known and d.emotion and known != d.emotion:
            raise UserError(
                f"{b}: the emotion of id {d.id!r} is {d.emotion!r}, and {known!r} in {a}; make them one, or drop one"
            )
    merged = [replace(d, emotion=emotions[d.id] or d.emotion) for d in of_b]
    return sorted(merged, key=lambda d: d.id)
