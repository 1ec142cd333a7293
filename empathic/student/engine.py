"""What a student replies by: llama.cpp, from its file as it ships, or vLLM, from its merged weights.

Replies that are judged are those of the very file that ships, unless `student.engine` says `vllm`. What a student
learns from may come of vLLM wherever it is here with a GPU, since there an 8B would take longer to reply than to train.
Answers of the two never mix: the ledger knows each by a name of its own.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from empathic import files
from empathic.endpoints import llama_cpp, vllm
from empathic.endpoints.endpoint import Endpoint
from empathic.errors import UserError
from empathic.recipe.sections import Student
from empathic.student import load, placement
from empathic.student.examples import reply_ids

# What llama.cpp samples by where neither request nor file says otherwise.
_SAMPLING = {"top_k": 40, "top_p": 0.95, "min_p": 0.05}
_SHARE = 0.9  # of the GPU's free memory that vLLM may take
_WITHOUT_A_GPU = ("--enforce-eager", "--kv-cache-memory-bytes", "2G")  # else it takes most of the main memory


def check(student: Student) -> None:
    """Refuse vLLM where it isn't.

    Raises:
        UserError: says what to install.
    """
    if student.engine == "vllm" and vllm.command() is None:
        raise UserError(
            "student.engine: vllm isn't here; pip install vllm, or put the `vllm` of another environment on the PATH, "
            "or set it to auto"
        )


def by_vllm(student: Student, own: bool) -> bool:
    """Whether vLLM gives a student's replies.

    Args:
        student: as the recipe has it.
        own: whether they are replies to learn from; else they are judged.
    """
    if student.engine != "auto":
        return student.engine == "vllm"
    import torch

    return own and vllm.command() is not None and torch.cuda.is_available()


def told(student: Student, own: bool) -> str:
    """The same in words, for manifests and people."""
    return f"vLLM, {placement.place(student.dtype).dtype}" if by_vllm(student, own) else "llama.cpp"


@contextmanager
def served(student: Student, adapter: Path | None, folder: Path, log: Callable[[str], None]) -> Iterator[Endpoint]:
    """A student on vLLM, in its own type.

    Args:
        student: the base, its template and its type.
        adapter: what is merged into it; None for the base itself.
        folder: where the merged weights go; what is there from an attempt that was killed is used again.
        log: told how far it is.

    Raises:
        UserError: as `load.merge` and `vllm.serve` do.
    """
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        load.merge(student.model, student.template, adapter, part)
        part.rename(folder)
    reads = load.context(load.load_config(str(folder))) or llama_cpp.CONTEXT
    options = ["--max-model-len", str(min(reads, llama_cpp.CONTEXT)), *_room()]
    try:
        with vllm.serve(folder, placement.place(student.dtype).dtype, options, _asked(folder), log) as endpoint:
            yield endpoint
    except vllm.Failed as error:
        raise UserError(f"{error}; student.engine: llama.cpp does without it") from error


def _asked(folder: Path) -> dict[str, Any]:
    """What requests say beside ours, so that vLLM draws and stops as llama.cpp does with the student's file.

    The file holds what the model's own configuration of sampling says; the rest is llama.cpp's.
    """
    tokenizer, _ = load.load_tokenizer(str(folder))
    path = folder / "generation_config.json"
    about = files.read_json(path) if path.exists() else {}
    said = reply_ids(tokenizer, [{"role": "user", "content": "Hello."}], [{"role": "assistant", "content": "Yes"}])
    own = {*tokenizer.added_tokens_decoder, tokenizer.eos_token_id}
    ends = [id for id in said if id in own][:1]  # what it learns to stop at; not every model's configuration has it
    return {**_SAMPLING, **{key: about[key] for key in _SAMPLING if about.get(key) is not None}, "stop_token_ids": ends}


def _room() -> list[str]:
    """How much memory vLLM may take beside this process, which may have trained before."""
    import torch

    if not torch.cuda.is_available():
        return [*_WITHOUT_A_GPU]
    gc.collect()
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    return ["--gpu-memory-utilization", f"{_SHARE * free / total:.2f}"]
