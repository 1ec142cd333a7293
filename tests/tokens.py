"""The tests' tokenizer: SmolLM2's, cut to 3,875 tokens with their ids kept (`data/cut_tokenizer.py` says how)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TOKENIZER = Path(__file__).parent / "data" / "tokenizer"


def vocabulary(tokenizer: Any) -> int:
    """How many rows a model's embeddings need: ids have gaps."""
    return max(tokenizer.get_vocab().values()) + 1
