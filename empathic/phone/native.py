"""llama.cpp's C library inside the wheel xllamacpp, for what its server has no call for: quantising, and all logits.

The wheel links the library in and exports its functions. Their parameters are structs whose fields change from version
to version, so none is described here beyond the first fields of `llama_context_params`, which are checked on use:
llama.cpp fills the rest with its defaults.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

from empathic.errors import UserError

_ROOM = 1024  # bytes for a struct of parameters; they are some 200
_VOCAB_ONLY = 72  # the byte of `llama_model_params` with that switch, the first of its switches


class Batch(ctypes.Structure):
    """`llama_batch`."""

    _fields_ = (
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    )


class ModelParams(ctypes.Structure):
    """`llama_model_params`, as llama.cpp fills it."""

    _fields_ = (("all", ctypes.c_uint8 * _ROOM),)


class ContextParams(ctypes.Structure):
    """`llama_context_params`, of which we set the sizes."""

    _fields_ = (
        ("n_ctx", ctypes.c_uint32),
        ("n_batch", ctypes.c_uint32),
        ("n_ubatch", ctypes.c_uint32),
        ("n_seq_max", ctypes.c_uint32),
        ("rest", ctypes.c_uint8 * (_ROOM - 16)),
    )


_Log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_silent = _Log(lambda *_: None)  # C keeps the address alone, so that somebody has to keep the function


@cache
def native() -> ctypes.CDLL:
    """The library, loaded once.

    Raises:
        UserError: this machine's xllamacpp doesn't let its functions be called.
    """
    import xllamacpp.xllamacpp as wheel

    lib = ctypes.CDLL(wheel.__file__)
    pointer, number, size = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "ggml_quantize_chunk": (ctypes.c_size_t, [number, pointer, pointer, size, size, size, pointer]),
        "ggml_quantize_init": (None, [number]),
        "llama_model_default_params": (ModelParams, []),
        "llama_context_default_params": (ContextParams, []),
        "llama_model_load_from_file": (pointer, [ctypes.c_char_p, ModelParams]),
        "llama_init_from_model": (pointer, [pointer, ContextParams]),
        "llama_set_n_threads": (None, [pointer, number, number]),
        "llama_model_get_vocab": (pointer, [pointer]),
        "llama_vocab_n_tokens": (number, [pointer]),
        "llama_vocab_get_add_bos": (ctypes.c_bool, [pointer]),
        "llama_tokenize": (number, [pointer, ctypes.c_char_p, number, pointer, number, ctypes.c_bool, ctypes.c_bool]),
        "llama_get_memory": (pointer, [pointer]),
        "llama_memory_clear": (None, [pointer, ctypes.c_bool]),
        "llama_batch_init": (Batch, [number, number, number]),
        "llama_batch_free": (None, [Batch]),
        "llama_decode": (number, [pointer, Batch]),
        "llama_get_logits": (ctypes.POINTER(ctypes.c_float), [pointer]),
        "llama_free": (None, [pointer]),
        "llama_model_free": (None, [pointer]),
        "llama_log_set": (None, [_Log, pointer]),
        "llama_backend_init": (None, []),
    }
    if missing := [name for name in signatures if not hasattr(lib, name)]:
        raise UserError(f"xllamacpp: its library has no {missing[0]} on this machine; export on Linux")
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    lib.llama_log_set(_silent, None)
    lib.llama_backend_init()
    return lib


def context_params(length: int) -> ContextParams:
    """Parameters for one sequence of so many tokens, decoded at once.

    Raises:
        UserError: this version of llama.cpp begins the struct otherwise.
    """
    params: ContextParams = native().llama_context_default_params()
    if (params.n_ctx, params.n_batch, params.n_ubatch) != (512, 2048, 512):
        raise UserError(
            "xllamacpp: llama_context_params isn't what it was; want a version that empathic was tested with"
        )
    params.n_ctx = params.n_batch = params.n_ubatch = length
    params.n_seq_max = 1
    return params


def vocabulary_params() -> ModelParams | None:
    """Parameters for a file's vocabulary alone; None where this version of llama.cpp orders the struct otherwise."""
    params: ModelParams = native().llama_model_default_params()
    if list(params.all[_VOCAB_ONLY : _VOCAB_ONLY + 5]) != [0, 0, 1, 0, 0]:
        return None
    params.all[_VOCAB_ONLY] = 1
    return params


def threads() -> int:
    """As many threads as this process may use cores."""
    return len(os.sched_getaffinity(0))
