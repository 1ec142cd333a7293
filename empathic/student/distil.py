"""On-policy distillation: the student's next-token distributions are drawn to a larger student's, reply by reply.

Agarwal et al. 2024, On-Policy Distillation of Language Models (arXiv 2306.13649): replies are the student's own in a
share of examples, and at each of a reply's tokens a divergence between teacher T and student S is taken,

    JSD_b(T, S) = b KL(T || M) + (1 - b) KL(S || M),  M = b T + (1 - b) S,

with KL(T || S) at b = 0 and KL(S || T) at b = 1, its limits over b and 1 - b. Here the two read different prompts: the
teacher is told more, and the student learns to do without it (context distillation: Snell et al. 2022, arXiv
2209.15189). TRL's `DistillationTrainer` gives both one prompt and samples in every step; its kernel is used here, which
goes through the vocabulary in tiles, so that neither model's logits are ever there whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Trainer
from trl.kernels.chunked_divergence import ChunkedDivergenceFunction
from trl.models.utils import _ForwardRedirection
from trl.trainer.utils import add_fused_lm_head

from empathic.recipe import Kernels
from empathic.student import sharding
from empathic.student.distil_teacher import reply_ids
from empathic.student.examples import IGNORED, prompt_ids
from empathic.student.kernels.optimize import optimize_model
from empathic.student.kernels.shared_prefix import causal_model, states_at_labels
from empathic.student.prompt import Message, with_emotion

_TEACHER = "teacher_"  # what the names of the teacher's inputs begin with
_INPUTS = ("input_ids", "attention_mask", "labels")


class DistilTrainer(Trainer):
    """Trains a student's adapter on examples of `encode`; the teacher is frozen, and no part of what is saved.

    Args:
        teacher: a `PreTrainedModel` in eval mode without gradients.
        beta: b of the divergence, 0 to 1.
        kernels: the recipe's switches, for both models.
        settings: those of `transformers.Trainer`; `model` a `PeftModel`, `train_dataset` of `encode`.
    """

    loss_is_scaled_for_ga = True  # it is a mean over the tokens of all passes of a batch

    def __init__(self, teacher: Any, beta: float, kernels: Kernels, **settings: Any) -> None:
        padding = settings["processing_class"].pad_token_id
        super().__init__(data_collator=lambda rows: collate(rows, padding), **settings)
        self.model_accepts_loss_kwargs = True  # so that it counts a batch's tokens
        self.teacher, self.beta = teacher.to(self.accelerator.device), beta
        self.kernels_off: dict[str, str] = {}
        self.shares: dict[str, bool] = {}
        for whose, model in (("", self.model), (_TEACHER, self.teacher)):
            add_fused_lm_head(causal_model(model))  # what kernels are probed by
            off = optimize_model(model, kernels)
            self.shares[whose] = kernels.prefix_sharing is not False and "prefix_sharing" not in off
            self.kernels_off |= {f"{name} of the teacher" if whose else name: why for name, why in off.items()}
        self._through_wrapper = _ForwardRedirection()

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The divergence in nats a token, over all tokens of the batch's replies.

        It is computed within the wrapper's forward where there are several processes, which makes gradients agree.
        """
        unwrapped = self.accelerator.unwrap_model(model)
        with self.accelerator.autocast():
            found = self._through_wrapper(model, unwrapped, self._divergence, unwrapped, inputs)
        tokens = found.numel() if num_items_in_batch is None else num_items_in_batch / self.accelerator.num_processes
        loss = found.sum() / tokens
        return (loss, None) if return_outputs else loss

    def _divergence(self, student: Any, inputs: dict[str, Any]) -> torch.Tensor:
        ours = {name: inputs[name] for name in _INPUTS}
        theirs = {name: inputs[_TEACHER + name] for name in _INPUTS}
        states = states_at_labels(student, ours, self.shares[""])
        with torch.no_grad():
            taught = states_at_labels(self.teacher, theirs, self.shares[_TEACHER])
        return divergence(states, taught, causal_model(student), self.teacher, self.beta)


def divergence(student: torch.Tensor, teacher: torch.Tensor, ours: Any, theirs: Any, beta: float) -> torch.Tensor:
    """JSD_b in nats at each of K tokens, [K], with gradients to the student's states.

    Args:
        student: its last hidden states, [K, H].
        teacher: the teacher's at the same tokens, [K, H'].
        ours: the student's model, whose head is read.
        theirs: the teacher's.
        beta: 0 to 1.
    """
    heads = ours.get_output_embeddings(), theirs.get_output_embeddings()
    words = min(len(head.weight) for head in heads)  # one of them may be padded with rows that no token has
    weights = [sharding.whole(head.weight)[:words] for head in heads]
    biases = [None if head.bias is None else sharding.whole(head.bias)[:words] for head in heads]
    (scale, cap), (their_scale, their_cap) = _shape(ours.config), _shape(theirs.config)
    found: torch.Tensor = ChunkedDivergenceFunction.apply(
        student, weights[0], biases[0], teacher, weights[1], biases[1], beta, 1.0, scale, cap, their_scale, their_cap
    )[0]
    return found


def encode(row: dict[str, Any], told: tuple[str, str], tokenizers: tuple[Any, Any]) -> dict[str, list[int]]:
    """A row of a reply as token ids: the student's prompt, the teacher's, and the reply that both go through.

    A reply that was cut off needs no care: what is compared is what either would say next, there too.

    Args:
        row: with `prompt`, `completion` and the `emotion` of its dialogue.
        told: the instructions of student and teacher, who also hears the emotion.
        tokenizers: the student's and the teacher's.
    """

    def asked(instruction: str) -> list[Message]:
        return [{"role": "system", "content": instruction}, *row["prompt"]]

    ours, theirs = tokenizers
    return {
        "prompt_ids": prompt_ids(ours, asked(told[0])),
        f"{_TEACHER}prompt_ids": prompt_ids(theirs, asked(with_emotion(told[1], row["emotion"]))),
        "reply_ids": reply_ids(ours, [*asked(told[0]), *row["completion"]]),
    }


def collate(rows: Sequence[dict[str, list[int]]], padding: int) -> dict[str, torch.Tensor]:
    """A batch as both models take it, [B, L] each, padded on the right, labels -100 outside of replies."""
    batch: dict[str, torch.Tensor] = {}
    for whose in ("", _TEACHER):
        heads = [row[f"{whose}prompt_ids"] for row in rows]
        tails = [row["reply_ids"] for row in rows]
        both = list(zip(heads, tails, strict=True))
        batch |= {
            f"{whose}input_ids": _padded([head + tail for head, tail in both], padding),
            f"{whose}attention_mask": _padded([[1] * len(head + tail) for head, tail in both], 0),
            f"{whose}labels": _padded([[IGNORED] * len(head) + tail for head, tail in both], IGNORED),
        }
    return batch


def _padded(rows: Sequence[list[int]], value: int) -> torch.Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


def _shape(config: Any) -> tuple[float, float | None]:
    """What a model does to its logits: the factor, and the cap, as Cohere's and Gemma's have them."""
    text = config.get_text_config()
    scale = getattr(text, "logit_scale", None)
    if scale is None and (divisor := getattr(text, "logits_scaling", None)) is not None:
        scale = 1 / divisor
    return (1.0 if scale is None else scale), getattr(text, "final_logit_softcapping", None)
