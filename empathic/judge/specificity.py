"""Specificity: how much a reply belongs to its own dialogue, under the untuned student.

Pointwise mutual information (Church and Hanks 1990): the log-probability of the reply after its own
dialogue, less its mean after other dialogues, in nats. Hollow kindness fits anywhere, and scores near 0.
"""

from __future__ import annotations

import copy
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
        own, *others = [self._log_probs(utterance, replies) for utterance in (one.utterance, *one.others)]
        return [own[i] - sum(other[i] for other in others) / len(others) for i in range(len(replies))]

    def _log_probs(self, utterance: str, replies: list[str]) -> list[float]:
        """log P(reply | utterance) in nats for every reply; the prompt runs once, its keys and values are shared."""
        import torch

        if self._loaded is None:
            model, tokenizer = load.load(self.name, self.template)
            self._loaded = model.eval(), tokenizer
        model, tokenizer = self._loaded
        asked = prompt.messages(self.told, utterance)
        shown = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        head = tokenizer(shown, add_special_tokens=False)["input_ids"]
        tails = [tokenizer(reply, add_special_tokens=False)["input_ids"] for reply in replies]
        width = max(map(len, tails))
        if width == 0:
            return [0.0] * len(replies)
        # The last token of the prompt predicts the first of the reply, so it opens every continuation.
        rows = [[head[-1], *tail] + [0] * (width - len(tail)) for tail in tails]
        with torch.inference_mode():
            cache = model(torch.tensor([head[:-1]]), use_cache=True, logits_to_keep=1).past_key_values
            cache = copy.deepcopy(cache)
            cache.batch_repeat_interleave(len(rows))
            ids = torch.tensor(rows)
            logits = model(ids[:, :-1], past_key_values=cache).logits
            logps = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        return [float(logps[i, : len(tail)].sum()) for i, tail in enumerate(tails)]
