"""Specificity: how much a reply belongs to its own dialogue, under the untuned student.

Pointwise mutual information (Church and Hanks 1990): the log-probability of the reply after its own
dialogue, less its mean after other dialogues, in nats. Hollow kindness fits anywhere, and scores near 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from empathic.ledger import Ledger
from empathic.student import load, prompt

OTHERS = 3  # dialogues that a reply is held against beside its own


@dataclass(frozen=True)
class Asked:
    """Replies to one dialogue, and the utterances of the other dialogues that they are held against."""

    utterance: str
    others: tuple[str, ...]
    replies: tuple[str, ...]


class Specificity:
    """The untuned student as a scorer; loaded when the first score is not in the ledger."""

    def __init__(self, model: str, template: str | None, told: str, ledger: Ledger) -> None:
        self.name, self.template, self.told, self.ledger = model, template, told, ledger
        self._loaded: tuple[Any, Any] | None = None

    def score(self, asked: Sequence[Asked], advance: Callable[[], None] = lambda: None) -> list[list[float]]:
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

    def _key(self, one: Asked, reply: str) -> dict[str, Any]:
        return {
            "measure": "specificity",
            "model": [self.name, self.template],
            "told": self.told,
            "utterances": [one.utterance, *one.others],
            "reply": reply,
        }

    def _pmi(self, one: Asked, replies: list[str]) -> list[float]:
        found = self._log_probs((one.utterance, *one.others), replies)
        return (found[0] - found[1:].mean(0)).tolist()

    def _log_probs(self, utterances: Sequence[str], replies: list[str]) -> Any:
        """log P(reply | utterance) in nats, [utterances, replies]; what the rows have in common runs once."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        if self._loaded is None:
            self._loaded = _scorer(self.name, self.template)
        model, tokenizer = self._loaded
        heads = [
            tokenizer.apply_chat_template(
                prompt.messages(self.told, said), add_generation_prompt=True, return_dict=True
            )
            for said in utterances
        ]
        tails = [tokenizer(reply, add_special_tokens=False)["input_ids"] for reply in replies]
        if not any(tails):
            return torch.zeros(len(heads), len(tails))
        rows = [(head["input_ids"], tail) for head in heads for tail in tails]
        ids = [torch.tensor([*head, *tail]) for head, tail in rows]
        labels = [torch.tensor([-100] * len(head) + tail) for head, tail in rows]
        with torch.inference_mode():
            found = model(
                input_ids=pad_sequence(ids, batch_first=True),
                attention_mask=pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
                labels=pad_sequence(labels, batch_first=True, padding_value=-100),
                fused_lm_head=True,
            ).log_probs
        return found.double().sum(1).view(len(heads), len(tails))


def _scorer(name: str, template: str | None) -> tuple[Any, Any]:
    """The untuned student with shared prefixes beneath TRL's fused head, which gives log-probabilities alone."""
    from trl.trainer.utils import add_fused_lm_head

    from empathic.student.shared_prefix import share_prefixes

    model, tokenizer = load.load(name, template)
    add_fused_lm_head(model)
    share_prefixes(model)
    return model.eval(), tokenizer
