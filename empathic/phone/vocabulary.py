"""How llama.cpp reads texts by the vocabulary of a GGUF file, which needs no weights."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

from empathic.errors import UserError
from empathic.phone.native import native, vocabulary_params


def read(path: Path, prompts: Sequence[str], bos: str | None) -> list[list[int]] | None:
    """The tokens of prompts, as llama.cpp's chat API has them.

    Args:
        path: the file.
        prompts: as the chat template shows them.
        bos: the token that begins a text; llama.cpp takes it off a prompt where it puts it there itself.

    Returns:
        The tokens of each; None where this machine's llama.cpp can't be asked.

    Raises:
        UserError: llama.cpp can't load the file.
    """
    try:
        lib = native()
    except UserError:
        return None
    params = vocabulary_params()
    if params is None:
        return None
    model = lib.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise UserError(f"{path.stem}: llama.cpp can't load its vocabulary")
    try:
        known = lib.llama_model_get_vocab(model)
        adds = lib.llama_vocab_get_add_bos(known)
        return [_tokens(lib, known, one.removeprefix(bos) if adds and bos else one) for one in prompts]
    finally:
        lib.llama_model_free(model)


def _tokens(lib: ctypes.CDLL, known: int, text: str) -> list[int]:
    raw = text.encode()
    room = (ctypes.c_int32 * (len(raw) + 8))()
    count = lib.llama_tokenize(known, raw, len(raw), room, len(room), True, True)
    if count < 0:  # more tokens than bytes: it says how many
        room = (ctypes.c_int32 * -count)()
        count = lib.llama_tokenize(known, raw, len(raw), room, len(room), True, True)
    return list(room[:count])
