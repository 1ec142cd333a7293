"""Every measure there is. A new one is a class in a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from empathic.judge.measures.agreed import AgreedMeasure
from empathic.judge.measures.behaviours import BehavioursMeasure
from empathic.judge.measures.epitome import EpitomeMeasure
from empathic.judge.measures.hollowness import HollownessMeasure
from empathic.judge.measures.levels import LevelsMeasure
from empathic.judge.measures.measure import Means, Measure
from empathic.judge.measures.pairwise import PairwiseMeasure
from empathic.judge.measures.specificity import SpecificityMeasure
from empathic.judge.measures.words import WordsMeasure

MEASURES: list[type[Measure]] = [  # in this order they score, and stand in verdicts
    BehavioursMeasure,
    SpecificityMeasure,
    LevelsMeasure,
    EpitomeMeasure,
    AgreedMeasure,
    PairwiseMeasure,
    WordsMeasure,
    HollownessMeasure,
]


def instances(means: Means) -> list[Measure]:
    """What scores with these means, measure by measure."""
    return [one for kind in MEASURES for one in kind.instances(means)]


def rules() -> Sequence[type[Measure]]:
    """One measure of each name: those that share a name share its rule."""
    return list({kind.name: kind for kind in MEASURES}.values())
