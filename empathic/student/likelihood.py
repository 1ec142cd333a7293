"""How likely a model finds replies and texts: log-probabilities, what rows have in common run once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empathic.student import examples, load, prompt
from empathic.student.placement import Placement


class Likelihood:
    """A model as a scorer, its weights frozen.

    Args:
        model: a `PreTrainedModel` or `PeftModel`, where it is to run.
        tokenizer: its tokenizer, with a chat template.
        system_prompt: the instruction that every prompt opens with.
    """

    def __init__(self, model: Any, tokenizer: Any, system_prompt: str) -> None:
        from trl.trainer.utils import add_fused_lm_head

        from empathic.recipe import Kernels
        from empathic.student.kernels.optimize import optimize_model
        from empathic.student.kernels.shared_prefix import causal_model

        self.tokenizer, self.system_prompt = tokenizer, system_prompt
        self.model = model.eval().requires_grad_(False)
        add_fused_lm_head(causal_model(self.model))
        optimize_model(self.model, Kernels())

    @classmethod
    def of(
        cls,
        name: str,
        template: str | None,
        system_prompt: str,
        placed: Placement,
        adapter: Path | None = None,
    ) -> Likelihood:
        """A student where it is placed, its adapter merged before weights are rounded, beside them in 4 bits.

        Args:
            name: as `load_student` has it; `template` likewise.
            template: see there.
            system_prompt: as the class has it.
            placed: where and in which numbers it runs.
            adapter: a PEFT adapter's folder, or None for the student itself.

        Raises:
            UserError: as `load_student` does.
        """
        if not placed.four_bit:
            model, tokenizer = load.merged(name, template, adapter)
            return cls(placed.put(model), tokenizer, system_prompt)
        model, tokenizer = load.load_student(name, template, placed=placed)
        if adapter:
            model = load.adapted(model, adapter)
        return cls(model, tokenizer, system_prompt)

    def of_replies(self, utterances: Sequence[str], replies: Sequence[str]) -> Any:
        """log P(reply | utterance) in nats, [utterances, replies]."""
        import torch

        heads = [examples.prompt_ids(self.tokenizer, prompt.messages(self.system_prompt, said)) for said in utterances]
        tails = [self.tokens(reply) for reply in replies]
        if not any(tails):
            return torch.zeros(len(heads), len(tails), dtype=torch.float64)
        found = self._scored([(head, tail) for head in heads for tail in tails])
        return found.view(len(heads), len(tails))

    def of_texts(self, texts: Sequence[str]) -> Any:
        """log P of each text after its first token, in nats, [texts]; without instruction or template."""
        rows = [self.tokens(text) for text in texts]
        return self._scored([(row[:1], row[1:]) for row in rows])

    def tokens(self, text: str) -> list[int]:
        """A text's tokens."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _scored(self, rows: Sequence[tuple[list[int], list[int]]]) -> Any:
        """Sums over the second part of each row, in float64."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        ids = [torch.tensor([*head, *tail]) for head, tail in rows]
        labels = [torch.tensor([-100] * len(head) + tail) for head, tail in rows]
        batch = {
            "input_ids": pad_sequence(ids, batch_first=True),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
            "labels": pad_sequence(labels, batch_first=True, padding_value=-100),
        }
        with torch.inference_mode():
            there = {name: value.to(self.model.device) for name, value in batch.items()}
            found = self.model(**there, fused_lm_head=True).log_probs
        return found.cpu().double().sum(1)
