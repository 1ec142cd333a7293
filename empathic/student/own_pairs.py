"""Preference pairs of a student's own replies, by their rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from empathic.dialogues import Dialogue
from empathic.text import phrases

_OFTEN = 2  # earlier chosen replies that may hold a five-word phrase before it counts as a formula


@dataclass(frozen=True)
class Sample:
    """A reply, its reward in 0..1, and whether it came to an end by itself."""

    text: str
    reward: float
    ended: bool = True


@dataclass(frozen=True)
class OwnPair:
    """A dialogue with the reply to prefer and the one to leave."""

    dialogue: Dialogue
    chosen: Sample
    rejected: Sample

    def to_row(self) -> dict[str, Any]:
        """The pair as TRL takes it, as those of the corpus."""
        return {
            "id": self.dialogue.id,
            "prompt": [{"role": "user", "content": self.dialogue.utterance}],
            "chosen": [{"role": "assistant", "content": self.chosen.text}],
            "rejected": [{"role": "assistant", "content": self.rejected.text}],
        }


def pair_up(sampled: Iterable[tuple[Dialogue, Sequence[Sample]]], margin: float) -> Iterator[OwnPair]:
    """The best of each dialogue's samples over the worst, where their rewards are far enough apart.

    A reply that was cut off is never chosen, and its reward counts as 0. A reply pays for five-word phrases that chosen
    replies already hold often, so that the student doesn't learn a formula that the reward model likes: its reward is
    multiplied by the share of its phrases that are new.

    Args:
        sampled: dialogues, each with samples of a reply.
        margin: by how much the better reward has to be higher, at least.
    """
    held: Counter[tuple[str, ...]] = Counter()
    for dialogue, samples in sampled:
        worth = [(_worth(sample, held), i) for i, sample in enumerate(samples) if sample.text.strip()]
        if not worth:
            continue
        (high, best), (low, worst) = max(worth), min(worth)
        chosen, rejected = samples[best], samples[worst]
        if chosen.ended and high - low >= margin and chosen.text != rejected.text:
            held.update(phrases(chosen.text))
            yield OwnPair(dialogue, chosen, rejected)


def _worth(sample: Sample, held: Counter[tuple[str, ...]]) -> float:
    if not sample.ended:
        return 0.0
    found = phrases(sample.text)
    fresh = sum(held[phrase] < _OFTEN for phrase in found)
    return sample.reward * fresh / len(found) if found else sample.reward
