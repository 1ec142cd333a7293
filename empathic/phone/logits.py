"""Every next-token distribution that llama.cpp gives for a GGUF file along a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from empathic.errors import UserError
from empathic.phone.native import context_params, native, threads


class Logits:
    """A GGUF file in llama.cpp, to be asked for its logits; for a `with` block."""

    def __init__(self, path: Path, longest: int) -> None:
        """Load a file.

        Args:
            path: the file.
            longest: the most tokens that a text will have.

        Raises:
            UserError: llama.cpp can't load it.
        """
        lib = native()
        self.longest = longest
        self.model = lib.llama_model_load_from_file(str(path).encode(), lib.llama_model_default_params())
        self.context = lib.llama_init_from_model(self.model, context_params(longest)) if self.model else None
        if not self.context:
            raise UserError(f"{path}: llama.cpp can't load it; is the file whole?")
        lib.llama_set_n_threads(self.context, threads(), threads())
        self.vocabulary: int = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.batch = lib.llama_batch_init(longest, 0, 1)

    def __enter__(self) -> Logits:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        lib = native()
        lib.llama_batch_free(self.batch)
        lib.llama_free(self.context)
        lib.llama_model_free(self.model)

    def along(self, tokens: Sequence[int], first: int = 0) -> Any:
        """The logits after each token of a text from the place `first` on.

        Returns:
            A float32 array of NumPy, a row a token, a column a word of the vocabulary.
        """
        import numpy

        lib, batch = native(), self.batch
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place] = token, place
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
            batch.logits[place] = place >= first
        lib.llama_memory_clear(lib.llama_get_memory(self.context), True)
        if lib.llama_decode(self.context, batch):
            raise UserError(f"llama.cpp can't decode {len(tokens)} tokens at once; shorten the dialogues")
        rows = len(tokens) - first
        return numpy.ctypeslib.as_array(lib.llama_get_logits(self.context), (rows, self.vocabulary)).copy()
