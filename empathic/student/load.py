"""The student's weights and tokenizer, in float32 unless placed otherwise, from whatever a recipe names."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from empathic import files, models
from empathic.errors import UserError
from empathic.student import prompt, templates, unloadable
from empathic.student.placement import Placement

_WHOLE = ("model*.safetensors", "pytorch_model*.bin")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
_MAY_LACK = ("gated_repo", "missing_entries", "connection_errors")


def load_student(
    name: str,
    template: str | None = None,
    classes: int = 0,
    key: str = "student.model",
    placed: Placement = Placement(),  # noqa: B008  it is frozen
) -> tuple[Any, Any]:
    """Load a student and its tokenizer.

    Args:
        name: a known model, a GGUF file (dequantised), a folder, or a Hugging Face id; of a PEFT adapter, its base
            is loaded and the adapter merged into it.
        template: the chat template to give it, as `student.template` says.
        classes: above 0, so many rows of logits at the last token, still to be trained, instead of the next word's.
        key: the recipe's key that names it, for whoever reads what is wrong.
        placed: the type of its weights; it is on the CPU all the same, but in 4 bits.

    Returns:
        A `PreTrainedModel` and its tokenizer, with padding token and a chat template that fits.

    Raises:
        UserError: no such model, an adapter without its base, or a chat template that can't be used.
    """
    tokenizer = load_tokenizer(name, template, key)[0]
    with unloadable.model(name, key=key):
        model = _weights(name, classes, tokenizer, key, placed)
    return model, tokenizer


def load_tokenizer(name: str, template: str | None = None, key: str = "student.model") -> tuple[Any, list[str]]:
    """A student's tokenizer without its weights, and what was done to its template; arguments as `load_student`'s.

    Raises:
        UserError: as `load_student` does.
    """
    _quiet()
    from transformers import AutoTokenizer

    where = name
    of: str | None = None
    while (base := adapter_base(where, key)) and not any((Path(where) / part).exists() for part in _TOKENIZER):
        where, of = base, where
    with unloadable.model(where, of, key):
        tokenizer = AutoTokenizer.from_pretrained(_place(where), trust_remote_code=False)
    if template:
        tokenizer.chat_template = prompt.template(template)
    return tokenizer, templates.fit(tokenizer, name)


def load_config(name: str, key: str = "student.model") -> Any:
    """The configuration of a student, or of its base where it is an adapter; arguments as `load_student`'s.

    Raises:
        UserError: as `load_student` does.
    """
    _quiet()
    from transformers import AutoConfig

    of: str | None = None
    while base := adapter_base(name, key):
        name, of = base, name
    with unloadable.model(name, of, key):
        return AutoConfig.from_pretrained(_place(name), trust_remote_code=False)


def is_here(name: str) -> bool:
    """Whether a model of the hub was fetched before, its configuration at least."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def check_weights(name: str) -> None:
    """Refuse a folder that has no weights, without reading them.

    Raises:
        UserError: it has none.
    """
    folder = Path(name)
    if folder.is_dir() and not any(True for part in (*_WHOLE, "adapter_model.*") for _ in folder.glob(part)):
        raise UserError(f"student.model: {name} holds no weights (model.safetensors); want the whole folder of a model")


def context(config: Any) -> int | None:
    """How many tokens a model reads at most; None where nothing says it."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def adapter_base(name: str, key: str = "student.model") -> str | None:
    """The base of a PEFT adapter; None where `name` is a whole model.

    Args:
        name: of the model or adapter.
        key: the recipe's key that names it.

    Raises:
        UserError: an adapter that isn't one of a language model, names no base, or lies beside a whole model.
    """
    if models.is_file(name):
        return None
    from transformers.utils.peft_utils import find_adapter_config_file

    try:
        found = find_adapter_config_file(name)
    except (OSError, ValueError):  # what is nothing at all is told of when it is loaded
        return None
    if found is None:
        return None
    if any(True for part in _WHOLE for _ in Path(name).glob(part)):
        raise UserError(f"{key}: {name} holds a whole model and an adapter; move one of them elsewhere")
    about = files.read_json(Path(found))
    if about.get("task_type") not in (None, "CAUSAL_LM"):
        raise UserError(f"{key}: {name} is an adapter for {about['task_type']}, not for a language model")
    base = about.get("base_model_name_or_path")
    if not base:
        raise UserError(f"{key}: {name} is an adapter that names no base; write it into {found}")
    return str(base)


def _weights(name: str, classes: int, tokenizer: Any, key: str, placed: Placement) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    if base := adapter_base(name, key):
        from peft import PeftModel

        if placed.four_bit:
            raise UserError(f"student.load_in_4bit: {name} is an adapter, which 4 bits can't take in; merge it first")
        with unloadable.model(base, name, key):
            model = _weights(base, classes, tokenizer, key, Placement())  # it is rounded once, after the merge
        if len(tokenizer) > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(len(tokenizer))  # tokens that came with the adapter
        model = PeftModel.from_pretrained(model, name).merge_and_unload()
        model.name_or_path = model.config._name_or_path = name  # what an adapter that is trained on it calls its base
        return model.to(placed.torch_dtype)
    told: dict[str, Any] = {**placed.loading(), "trust_remote_code": False}
    if classes:
        return AutoModelForSequenceClassification.from_pretrained(_place(name), num_labels=classes, **told)
    return AutoModelForCausalLM.from_pretrained(_place(name), **told)


def _place(name: str) -> str | Path:
    return dequantised(models.gguf(name)) if models.is_file(name) else name


def dequantised(path: Path) -> Path:
    """A GGUF file as a Hugging Face folder in float32, kept in the cache by the file's hash.

    Reading one takes transformers ten seconds, most of them for the tokenizer, and a run reads its student six times.
    """
    folder = models.cache() / "dequantised" / files.sha256(path)
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

    Raises:
        UserError: as `load_student` and `adapted` do.
    """
    student, tokenizer = load_student(model, template, key=key)
    return student if adapter is None else adapted(student, adapter).merge_and_unload(), tokenizer


def adapted(student: Any, adapter: Path, trainable: bool = False) -> Any:
    """A student under a PEFT adapter, as a `PeftModel`.

    Raises:
        UserError: the adapter is damaged, or isn't for this student.
    """
    from peft import PeftModel

    with unloadable.adapter(adapter):
        return PeftModel.from_pretrained(student, str(adapter), is_trainable=trainable)


def merge(model: str, template: str | None, adapter: Path | None, out: Path) -> None:
    """Write a student, as `merged` makes it, as a Hugging Face folder that llama.cpp's converter takes."""
    save(*merged(model, template, adapter), model, out)


def save(student: Any, tokenizer: Any, model: str, out: Path) -> None:
    """Write a student and its tokenizer as a folder that llama.cpp's converter takes.

    Args:
        student: what is to be written: a model, or a configuration alone.
        tokenizer: as `load_student` gave it.
        model: the student's name in its recipe.
        out: the folder.
    """
    config = getattr(student, "config", student)
    if config.model_type == "gpt2" and not hasattr(config, "n_ctx"):
        config.n_ctx = config.n_positions  # the converter wants it, and transformers no longer writes it
    student.save_pretrained(str(out))
    tokenizer.save_pretrained(str(out))
    pieces = _sentencepiece(model)
    about: dict[str, Any] = {}
    if pieces:  # the converter reads these, and transformers doesn't write them
        shutil.copyfile(pieces, out / "tokenizer.model")
        added = tokenizer.added_tokens_decoder.items()
        about["added_tokens_decoder"] = {str(id): {**token.__getstate__()} for id, token in added}
    # What llama.cpp puts before a text where nothing is said differs by tokenizer.
    if not templates.begins_with_bos(tokenizer) and (tokenizer.bos_token or pieces):
        about["add_bos_token"] = False
    if pieces and not templates.puts_blank(tokenizer):
        about["add_prefix_space"] = False
    if about:
        path = out / "tokenizer_config.json"
        files.write_json(path, {**files.read_json(path), **about})


def _sentencepiece(model: str) -> str | None:
    """The file of a SentencePiece tokenizer, where the student has one."""
    if models.is_file(model):
        return None
    from transformers.utils import cached_file

    settings: dict[str, Any] = {f"_raise_exceptions_for_{what}": False for what in _MAY_LACK}
    name: str | None = model
    while name:
        if found := cached_file(name, "tokenizer.model", **settings):
            return str(found)
        name = adapter_base(name)
    return None
