"""A scorer of EPITOME's levels that needs no endpoint: LoRA and three heads on a small model, taught by people.

Sharma et al. (2020, arXiv 2009.08441) trained two RoBERTa encoders a behaviour; here one causal model reads the post
and the reply after it, and the state at the last token tells all three levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from empathic.judge import classifier
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.measures.levels import (
    BEHAVIOURS,
    LEVELS,
    ByLevels,
    LabelledReply,
    LevelProbabilities,
    expected_level,
)
from empathic.judge.measures.measure import Asking, ModelMeasure, row
from empathic.judge.replies import EvalSet
from empathic.judge.scores import ScoreRow

MODEL = "smollm2-135m"
HEADS = dict.fromkeys(BEHAVIOURS, len(LEVELS))


def train(
    rows: Sequence[LabelledReply],
    out: Path,
    model: str = MODEL,
    epochs: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train a scorer on labelled replies and write it to `out`, as `classifier.train` does.

    Raises:
        UserError: no rows, or a base that can't be loaded.
    """
    labelled = [classifier.Labelled(row.asked, row.levels) for row in rows]
    classifier.train(labelled, HEADS, out, classifier.Learning(model, epochs, seed), progress)


class Scorer:
    """A trained scorer.

    Args:
        folder: what `train` wrote.

    Raises:
        UserError: there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.classifier = classifier.Classifier(folder, HEADS)

    def probabilities(
        self, asked: Sequence[JudgedReply], advance: Callable[[], None] = lambda: None
    ) -> list[dict[str, LevelProbabilities]]:
        """The probabilities of the levels by behaviour, for every reply in order; `advance` is called once a reply."""
        found = self.classifier.probabilities(asked, advance)
        return [{name: (p[0], p[1], p[2]) for name, p in of.items()} for of in found]


@dataclass(frozen=True)
class EpitomeMeasure(ModelMeasure, ByLevels):
    """The levels that a trained scorer says, of every reply."""

    scorer: Scorer

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterator[ScoreRow]:
        """A row a behaviour."""
        places, asked = classifier.every_reply(of)
        for (d, system), levels in zip(places, self.scorer.probabilities(asked, advance), strict=True):
            for name, probabilities in levels.items():
                yield row(self, system, d.id, expected_level(probabilities), name)
