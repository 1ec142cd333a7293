"""How likely a model finds replies and texts: log-probabilities, what rows have in common run once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from empathic.student import examples, prompt


class Likelihood:
    """A model as a scorer, its weights frozen.

    Args:
        model: a `PreTrainedModel`, as `load_student` gives it.
        tokenizer: its tokenizer, with a chat template.
        system_prompt: the instruction that every prompt opens with.
    """

    def __init__(self, model: Any, tokenizer: Any, system_prompt: str) -> None:
        from trl.trainer.utils import add_fused_lm_head

        from empathic.recipe import Kernels
        from empathic.student.kernels.optimize import optimize_model

        self.tokenizer, self.system_prompt = tokenizer, system_prompt
        self.model = model.eval().requires_grad_(False)
        add_fused_lm_head(self.model)
        optimize_model(self.model, Kernels())

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
        with torch.inference_mode():
            found = self.model(
                input_ids=pad_sequence(ids, batch_first=True),
                attention_mask=pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
                labels=pad_sequence(labels, batch_first=True, padding_value=-100),
                fused_lm_head=True,
            ).log_probs
        return found.double().sum(1)
