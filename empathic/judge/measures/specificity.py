"""Specificity: how much a reply belongs to its own dialogue, under the untuned student.

Pointwise mutual information (Church and Hanks 1990): the log-probability of the reply after its own
dialogue, less its mean after other dialogues, in nats. Hollow kindness fits anywhere, and scores near 0.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from empathic.endpoints.ledger import Ledger
from empathic.judge.measures.measure import Asking, Means, Measure, ModelMeasure, ValueMeasure, row
from empathic.judge.replies import EvalSet
from empathic.judge.scores import ScoreRow
from empathic.student import placement, prompt
from empathic.student.likelihood import Likelihood

OTHERS = 3  # dialogues that a reply is held against beside its own


@dataclass(frozen=True)
class SpecificityItem:
    """Replies to one dialogue, and the utterances of the other dialogues that they are held against."""

    utterance: str
    others: tuple[str, ...]
    replies: tuple[str, ...]


class Specificity:
    """The untuned student as a scorer; loaded when the first score is not in the ledger.

    Args:
        model: its name; `template` as `student.template` has it.
        template: see there.
        system_prompt: the instruction that every prompt opens with.
        ledger: keeps what was scored.
        placed: where it runs; None: as this machine lets it.
    """

    def __init__(
        self,
        model: str,
        template: str | None,
        system_prompt: str,
        ledger: Ledger,
        placed: placement.Placement | None = None,
    ) -> None:
        self.name, self.template, self.system_prompt, self.ledger = model, template, system_prompt, ledger
        self.placed = placed or placement.place()
        self._scorer: Likelihood | None = None

    def score(self, asked: Sequence[SpecificityItem], advance: Callable[[], None] = lambda: None) -> list[list[float]]:
        """The specificity of every reply in nats, dialogue by dialogue; `advance` is called once a reply."""
        scores = []
        for one in asked:
            keys = [self._key(one, reply) for reply in one.replies]
            kept = [self.ledger.get(key) for key in keys]
            missing = [i for i, found in enumerate(kept) if found is None]
            if missing:
                values = self._pmi(one, [one.replies[i] for i in missing])
                for i, value in zip(missing, values, strict=True):
                    kept[i] = {"nats": value}
                    self.ledger.put(keys[i], {"nats": value}, model=self.name, purpose="specificity")
            scores.append([found["nats"] for found in kept if found])
            for _ in one.replies:
                advance()
        return scores

    def _key(self, one: SpecificityItem, reply: str) -> dict[str, Any]:
        return {
            "measure": "specificity",
            "model": [self.name, self.template and prompt.template_key(self.template)],
            "told": self.system_prompt,
            "utterances": [one.utterance, *one.others],
            "reply": reply,
            **self._rounded,
        }

    @property
    def _rounded(self) -> dict[str, Any]:
        """What tells scores apart that are not those of float32."""
        return (
            {"placed": [self.placed.dtype, self.placed.four_bit]} if self.placed.rounds or self.placed.four_bit else {}
        )

    def _pmi(self, one: SpecificityItem, replies: list[str]) -> list[float]:
        if self._scorer is None:
            self._scorer = Likelihood.of(self.name, self.template, self.system_prompt, self.placed)
        found = self._scorer.of_replies((one.utterance, *one.others), replies)
        pmi: list[float] = (found[0] - found[1:].mean(0)).tolist()
        return pmi


@dataclass(frozen=True)
class SpecificityMeasure(ModelMeasure, ValueMeasure):
    """Nats of specificity, a row a reply."""

    name: ClassVar[str] = "specificity"
    scorer: Specificity
    seed: int = 0  # decides which other dialogues a reply is held against

    @classmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """One, where there is a scorer."""
        return [cls(means.models[cls.name], means.seed)] if cls.name in means.models else []

    def lacks(self, of: EvalSet) -> str | None:
        """Another message to hold a reply against."""
        return None if len({d.utterance for d in of.dialogues}) > 1 else "replies to two different messages"

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterator[ScoreRow]:
        """Dialogue by dialogue, each held against a few of the others."""
        utterances = {d.utterance for d in of.dialogues}
        for d in of.dialogues:
            replies = {system: said[d.id] for system, said in of.all_replies.items() if d.id in said}
            if not replies:
                continue
            pool = sorted(utterances - {d.utterance})
            others = random.Random(f"{self.seed} {d.id}").sample(pool, min(OTHERS, len(pool)))
            asked = SpecificityItem(d.utterance, tuple(others), tuple(replies.values()))
            for system, nats in zip(replies, self.scorer.score([asked], advance)[0], strict=True):
                yield row(self, system, d.id, nats)
