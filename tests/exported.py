"""What an export leaves in a run: one file that ships, one that was refused."""

from __future__ import annotations

from typing import Any

from empathic.run.artefacts import VERSION

EXPORT: dict[str, Any] = {
    "version": VERSION,
    "system": "dpo",
    "adapter": None,
    "perplexity": 20.0,
    "dialogues": {"read": 24, "followed": 24},
    "imatrix": None,
    "rows": [
        {
            "file": file,
            "quant": quant,
            "imatrix": False,
            "bytes": size,
            "bits_per_weight": 8.5,
            "types": {"Q8_0": 1.0},
            "fell_back": 0.0,
            "prompts": True,
            "kl_mean": 0.003,
            "kl_999": 0.02,
            "top1": 0.977,
            "perplexity": 20.1,
            "identical": 0.5,
            "positions": 900,
            "holds": file is not None,
        }
        for file, quant, size in (("dpo-q8_0.gguf", "q8_0", 145_000_000), (None, "q4_0", 91_000_000))
    ],
    "recommended": "dpo-q8_0.gguf",
    "rule": "the smallest that meets the bars of parity",
}
