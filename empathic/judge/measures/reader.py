"""What a reader would say of a reply, by a scorer that learnt from blind readings: three grades, and whether to send.

A reading's rubric is that of `reading/prompts/rubric.txt`; docs/judging.md says how far the scorer agrees with readers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from empathic import files
from empathic.judge import classifier
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.measures.measure import Asking, ModelMeasure, Outcomes, row
from empathic.judge.replies import EvalSet
from empathic.judge.scores import ScoreRow, Scores
from empathic.stats.corrected import Labelled
from empathic.stats.win_rate import outcome

LEVELS = ("understood", "feeling", "sense")  # each 0 to 2
SEND = "send"
HEADS = {**dict.fromkeys(LEVELS, 3), SEND: 2}
MODEL = "qwen2.5-coder-0.5b"
_ERRORS = "errors.json"
TOP = 8  # of its layers, that learn


@dataclass(frozen=True)
class Read:
    """What a scorer says of one reply: the probability that a reader would send it, and the expected grades, 0 to 2."""

    send: float
    understood: float
    feeling: float
    sense: float


def train(
    rows: Sequence[classifier.Labelled],
    out: Path,
    learning: classifier.Learning,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train a scorer on readings and write it to `out`, as `classifier.train` does.

    Args:
        rows: replies with the labels `understood`, `feeling`, `sense` (0 to 2) and `send` (0 or 1).
        out: the folder to write.
        learning: the base, and how it is trained.
        progress: told after every step.

    Raises:
        UserError: no rows, or a base that can't be loaded.
    """
    classifier.train(rows, HEADS, out, learning, progress)


class Reader:
    """A trained scorer of readings.

    Args:
        folder: what `train` wrote.

    Raises:
        UserError: there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.classifier = classifier.Classifier(folder, HEADS)
        self.errors = errors(folder)

    def read(self, asked: Sequence[JudgedReply], advance: Callable[[], None] = lambda: None) -> list[Read]:
        """What it says of every reply, in order; `advance` is called once a reply."""
        return [
            Read(of[SEND][1], *(of[name][1] + 2 * of[name][2] for name in LEVELS))
            for of in self.classifier.probabilities(asked, advance)
        ]


def errors(folder: Path) -> Labelled | None:
    """How a scorer did on readings that it did not learn from; None where that wasn't measured."""
    path = folder / _ERRORS
    return Labelled(**files.read_json(path)) if path.exists() else None


def keep_errors(folder: Path, found: Labelled) -> None:
    """Write down, beside a scorer, how it did on readings that it did not learn from."""
    files.write_json(folder / _ERRORS, asdict(found))


@dataclass(frozen=True)
class ReadingMeasure(ModelMeasure):
    """The probability that a reader would send a reply, with the grades beside it; the likelier one wins."""

    name: ClassVar[str] = "reading"
    title: ClassVar[str] = "to be sent"
    reader: Reader

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterator[ScoreRow]:
        """Four rows a reply, a row a head."""
        places, asked = classifier.every_reply(of)
        for (d, system), said in zip(places, self.reader.read(asked, advance), strict=True):
            for name in HEADS:
                yield row(self, system, d.id, getattr(said, name), name)

    @classmethod
    def outcomes(cls, scores: Scores, a: str, b: str) -> Outcomes:
        """The reply that is likelier to be sent wins."""
        one, other = cls._sent(scores, a), cls._sent(scores, b)
        return {id: {cls.name: outcome(value, other[id])} for id, value in one.items() if id in other}

    @classmethod
    def shown(cls, scores: Scores, system: str, id: str) -> dict[str, Any]:
        """The probability."""
        value = cls._sent(scores, system).get(id)
        return {} if value is None else {cls.name: round(value, 4)}

    @classmethod
    def _sent(cls, scores: Scores, system: str) -> dict[str, float]:
        found: Iterable[tuple[str, dict[str, float]]] = scores.answers(cls.name, "", system).items()
        return {id: of[SEND] for id, of in found if SEND in of}
