"""How large a model is, from its configuration alone: no weight is read or made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """What memory and time go by.

    Attributes:
        linear: weights of the layers' matrices, which 4 bits and adapters take.
        other: all other weights: embeddings, head, norms, biases.
        lora: weights of an adapter of rank 1 on those matrices, inputs and outputs summed.
        layers: how many layers.
        hidden: width between the layers.
        inner: width within a feed-forward block.
        attended: width of queries, all heads together.
        largest: weights of the largest matrix.
        vocabulary: words that the head scores.
    """

    linear: int
    other: int
    lora: int
    layers: int
    hidden: int
    inner: int
    attended: int
    largest: int
    vocabulary: int

    @property
    def weights(self) -> int:
        """All of them."""
        return self.linear + self.other


def shape_of(config: Any) -> Shape | None:
    """The shape of a causal model; None where it can't be made of its configuration, or has no such matrices."""
    import torch
    from transformers import AutoModelForCausalLM

    text = config.get_text_config()
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        heads = text.num_attention_heads
    except (ValueError, TypeError, AttributeError, ImportError):
        return None
    head = model.get_output_embeddings()
    matrices = [one for one in model.modules() if isinstance(one, torch.nn.Linear) and one is not head]
    if not matrices:
        return None
    linear = sum(one.weight.numel() for one in matrices)
    return Shape(
        linear=linear,
        other=sum(weight.numel() for weight in model.parameters()) - linear,
        lora=sum(one.in_features + one.out_features for one in matrices),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        inner=getattr(text, "intermediate_size", 4 * text.hidden_size),
        attended=heads * (getattr(text, "head_dim", None) or text.hidden_size // heads),
        largest=max(one.weight.numel() for one in matrices),
        vocabulary=text.vocab_size,
    )
