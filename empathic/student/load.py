"""The student's weights and tokenizer, in float32, from whatever a recipe names."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from empathic import files, models
from empathic.errors import UserError
from empathic.student import prompt


def load_student(
    name: str, template: str | None = None, classes: int = 0, key: str = "student.model"
) -> tuple[Any, Any]:
    """Load a student and its tokenizer.

    Args:
        name: a known model, a GGUF file (dequantised), a folder, or a Hugging Face id.
        template: the chat template to give it, as `student.template` says.
        classes: above 0, so many rows of logits at the last token, still to be trained, instead of the next word's.
        key: the recipe's key that names it, for whoever reads what is wrong.

    Returns:
        A `PreTrainedModel` in float32 and its tokenizer, with chat template and padding token.

    Raises:
        UserError: no such model, or one without a chat template where the recipe gives none.
    """
    _quiet()
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    try:
        where = dequantised(models.gguf(name)) if _is_gguf(name) else name
        tokenizer = AutoTokenizer.from_pretrained(where)
        if classes:
            model = AutoModelForSequenceClassification.from_pretrained(where, num_labels=classes, dtype=torch.float32)
        else:
            model = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise _unloadable(name, key, error) from error
    return model, _ready(tokenizer, name, template)


def load_tokenizer(name: str, template: str | None = None, key: str = "student.model") -> Any:
    """A student's tokenizer as `load_student` gives it, without its weights being read.

    Raises:
        UserError: as `load_student` does.
    """
    _quiet()
    from transformers import AutoTokenizer

    try:
        if not _is_gguf(name):
            tokenizer = AutoTokenizer.from_pretrained(name)
        elif (folder := _dequantised(path := models.gguf(name))).exists():
            tokenizer = AutoTokenizer.from_pretrained(folder)
        else:
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    except (OSError, ValueError) as error:
        raise _unloadable(name, key, error) from error
    return _ready(tokenizer, name, template)


def _is_gguf(name: str) -> bool:
    return name in models.KNOWN or name.endswith(".gguf")


def _unloadable(name: str, key: str, error: Exception) -> UserError:
    why = " ".join(str(error).split())[:200]
    return UserError(
        f"{key}: {name} can't be loaded ({why}); known: {', '.join(models.KNOWN)}, "
        "or give a .gguf file, a folder, or a Hugging Face id"
    )


def _ready(tokenizer: Any, name: str, template: str | None) -> Any:
    """A tokenizer with a chat template and a padding token."""
    if template:
        tokenizer.chat_template = prompt.template(template)
    if not tokenizer.chat_template:
        raise UserError(f"student.template: {name} has no chat template; give one (plain, or a file)")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def dequantised(path: Path) -> Path:
    """A GGUF file as a Hugging Face folder in float32, kept in the cache by the file's hash.

    Reading one takes transformers ten seconds, most of them for the tokenizer, and a run reads its student six times.
    """
    folder = _dequantised(path)
    if folder.exists():
        return folder
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    # A dequantised model still calls itself quantised, and then refuses to be saved.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parts:
        part = Path(parts) / "whole"
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        try:
            part.rename(folder)
        except OSError:  # another process was first
            if not folder.exists():
                raise
    return folder


def _dequantised(path: Path) -> Path:
    return models.cache() / "dequantised" / files.sha256(path)


def _quiet() -> None:
    """Keep the libraries' own bars and warnings out of our progress display."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    warnings.filterwarnings("ignore", category=FutureWarning)
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    import datasets

    datasets.disable_progress_bars()


def merged(model: str, template: str | None, adapter: Path | None, key: str = "student.model") -> tuple[Any, Any]:
    """A student in float32 with its adapter (if any) merged into the weights, and its tokenizer.

    Args:
        model: the base, as `load_student` takes it.
        template: the chat template to give it.
        adapter: a PEFT adapter's folder, or None for the base itself.
        key: as `load_student` has it.
    """
    student, tokenizer = load_student(model, template, key=key)
    if adapter is not None:
        from peft import PeftModel

        student = PeftModel.from_pretrained(student, str(adapter)).merge_and_unload()
    return student, tokenizer


def merge(model: str, template: str | None, adapter: Path | None, out: Path) -> None:
    """Write a student, as `merged` makes it, as a Hugging Face folder."""
    student, tokenizer = merged(model, template, adapter)
    student.save_pretrained(str(out))
    tokenizer.save_pretrained(str(out))
