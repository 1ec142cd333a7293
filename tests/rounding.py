"""Tiny models of four families, in a type that rounds little or much."""

from __future__ import annotations

from typing import Any

import torch
from trl.trainer.utils import add_fused_lm_head

FAMILIES = ("llama", "qwen2", "gemma3_text", "mistral")


def rounding_model(family: str, dtype: torch.dtype) -> Any:
    """Two layers of random weights; Qwen2's biases are large, as trained ones are, and so its attention rounds much."""
    from transformers import AutoConfig, AutoModelForCausalLM

    settings: dict[str, Any] = {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "initializer_range": 0.2,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if family in ("mistral", "gemma3_text"):
        settings["sliding_window"] = 11
    if family == "gemma3_text":
        settings["layer_types"] = ["sliding_attention", "full_attention"]
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **settings))
    if family == "qwen2":
        for name, weight in model.named_parameters():
            if name.endswith(("q_proj.bias", "k_proj.bias")):
                weight.data.normal_(std=4)
    model = model.to(dtype)
    add_fused_lm_head(model)
    return model
