"""Students of real shapes with random weights: speed and memory are those of the real ones, and nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from empathic import models
from empathic.student import trainers
from empathic.student.placement import Placement

TOKENIZER = Path(__file__).parents[2] / "tests/data/tokenizer"
_QWEN = {"num_key_value_heads": 2, "tie_word_embeddings": True, "rope_theta": 1e6, "max_position_embeddings": 32768}
_TINY = {"vocab_size": 49152, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "0.5b": (
        "qwen2",
        {
            **_QWEN,
            "vocab_size": 151936,
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
        },
    ),
    "1b": ("llama", dict(models.HUB["llama-3.2-1b-instruct"].shape)),
    "8b": ("llama", dict(models.HUB["llama-3.1-8b-instruct"].shape)),
    "tiny": ("llama", {**_TINY, **_HEADS}),
    "tiny-qwen2": ("qwen2", {**_TINY, **_HEADS}),
}


def config(size: str) -> Any:
    """The configuration of a shape."""
    family, shape = SHAPES[size]
    return AutoConfig.for_model(family, **shape)


def use(size: str) -> None:
    """Have trainers load a student of this shape, whatever the recipe names, with the tests' tokenizer.

    Qwen2's attention biases are large, as trained ones are, so that its attention rounds much.
    """

    def load(name: str, template: str | None = None, *, placed: Placement) -> tuple[Any, Any]:
        tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
        torch.manual_seed(0)
        with torch.device(placed.device):
            model: Any = AutoModelForCausalLM.from_config(config(size), dtype=placed.torch_dtype)
        for part, weight in model.named_parameters():
            if part.endswith(("q_proj.bias", "k_proj.bias")):
                weight.data.normal_(std=4)
        return _in_four_bits(model, placed) if placed.four_bit else model, tokenizer

    trainers.load_student = load  # type: ignore[assignment]


def _in_four_bits(model: Any, placed: Placement) -> Any:
    """What `from_pretrained` makes of a checkpoint under `placed.loading()`, of a model that lies in no file."""
    import bitsandbytes

    kept = model.get_output_embeddings()
    for name, linear in [*model.named_modules()]:
        if not isinstance(linear, torch.nn.Linear) or linear is kept:
            continue
        bits = bitsandbytes.nn.Linear4bit(
            linear.in_features,
            linear.out_features,
            bias=linear.bias is not None,
            compute_dtype=placed.torch_dtype,
            quant_type="nf4",
            device="meta",
        )
        bits.weight = bitsandbytes.nn.Params4bit(linear.weight.data, requires_grad=False, quant_type="nf4")
        bits.bias = linear.bias
        owner, _, last = name.rpartition(".")
        setattr(model.get_submodule(owner), last, bits.to(placed.device))
        linear.weight.data = linear.weight.data.new_empty(0)
    model.is_loaded_in_4bit = True
    return model


def adapter(size: str, rank: int, folder: Path) -> Path:
    """A LoRA adapter that changes nothing yet, for a DPO step to go on from."""
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config(size))
    made: Any = get_peft_model(base, LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    for part, weight in [*made.named_parameters()]:
        if "lora_" in part:
            owner, _, name = part.rpartition(".")
            filled = torch.zeros(weight.shape) if "lora_B" in part else 0.02 * torch.randn(weight.shape)
            setattr(made.get_submodule(owner), name, torch.nn.Parameter(filled))
    made.save_pretrained(folder)
    return folder
