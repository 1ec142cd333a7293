"""Every measure there is. A new one is a class in a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from empathic.errors import UserError
from empathic.judge.measures.agreed import AgreedMeasure
from empathic.judge.measures.behaviours import BehavioursMeasure
from empathic.judge.measures.epitome import EpitomeMeasure
from empathic.judge.measures.hollowness import HollownessMeasure
from empathic.judge.measures.levels import LevelsMeasure
from empathic.judge.measures.measure import Means, Measure
from empathic.judge.measures.pairwise import PairwiseMeasure
from empathic.judge.measures.reader import ReadingMeasure
from empathic.judge.measures.specificity import SpecificityMeasure
from empathic.judge.measures.words import WordsMeasure
from empathic.recipe import Judge

MEASURES: list[type[Measure]] = [  # in this order they score, and stand in verdicts
    ReadingMeasure,
    BehavioursMeasure,
    SpecificityMeasure,
    LevelsMeasure,
    EpitomeMeasure,
    AgreedMeasure,
    PairwiseMeasure,
    WordsMeasure,
    HollownessMeasure,
]


def check(judges: Sequence[Judge]) -> None:
    """Refuse a judge whose name is a measure's, since both name results.

    Raises:
        UserError: there is one.
    """
    names = [measure.name for measure in rules()]
    if taken := [judge.name for judge in judges if judge.name in names]:
        raise UserError(f"judge: the name {taken[0]!r} is a measure's; names must differ from {', '.join(names)}")


def instances(means: Means) -> list[Measure]:
    """What scores with these means, measure by measure.

    Raises:
        UserError: a judge has the name of a measure.
    """
    check(means.judges)
    return [one for kind in MEASURES for one in kind.instances(means)]


def rules() -> Sequence[type[Measure]]:
    """One measure of each name: those that share a name share its rule."""
    return list({kind.name: kind for kind in MEASURES}.values())


def titles() -> dict[str, str]:
    """What readers call each measure, by its name."""
    return {kind.name: kind.title or kind.name for kind in MEASURES}
