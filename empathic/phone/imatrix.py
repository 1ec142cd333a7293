"""The importance matrix: which input columns of each weight matrix matter, by a run's own dialogues.

Of every linear layer, the squares of its inputs are summed over the tokens of train prompts and the replies learnt
from, in the chat template with its markers as the tokens that they are. Embeddings and the output are left out, as
`llama-imatrix` leaves them out. The file is in `llama-imatrix`'s format, to be used by `llama-quantize` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic import files

EXAMPLES = 128  # enough for matrices of a few thousand columns: some ten thousand tokens
_LEFT_OUT = ("output.weight", "token_embd.weight")


@dataclass(frozen=True)
class ImportanceMatrix:
    """By tensor of the GGUF file, sums of squares of the input columns (float32), over so many tokens of texts."""

    sums: dict[str, Any]
    tokens: int
    texts: int

    @property
    def means(self) -> dict[str, Any]:
        """Mean squares, as the quantiser takes them."""
        return {name: sums / self.tokens for name, sums in self.sums.items()}

    def write(self, path: Path, corpus: str) -> None:
        """Write the matrix as a GGUF file, whole or not at all; `corpus` says what it was made from."""
        import gguf
        import numpy

        with files.whole(path) as part:
            writer = gguf.GGUFWriter(part, "")
            writer.add_type("imatrix")
            writer.add_array("imatrix.datasets", [corpus])
            writer.add_uint32("imatrix.chunk_count", self.texts)
            writer.add_uint32("imatrix.chunk_size", max(1, self.tokens // self.texts))
            for name, sums in self.sums.items():
                writer.add_tensor(f"{name}.in_sum2", sums.reshape(1, -1).astype(numpy.float32))
                writer.add_tensor(f"{name}.counts", numpy.full((1, 1), self.tokens, dtype=numpy.float32))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()


def measure(
    model: Any, texts: Sequence[Sequence[int]], architecture: str, progress: Callable[[int, int], None]
) -> ImportanceMatrix:
    """Run texts through a model and sum up what goes into its linear layers.

    Args:
        model: a `PreTrainedModel`.
        texts: tokens of each text.
        architecture: the model's name in its GGUF file (`general.architecture`), for the names of tensors.
        progress: told how many of how many texts are done.
    """
    import torch

    sums: dict[str, Any] = {}

    def watch(name: str) -> Callable[[Any, Any], None]:
        def add(layer: Any, inputs: Any) -> None:
            squares = inputs[0].detach().flatten(0, -2).double().square().sum(0)
            sums[name] = sums[name] + squares if name in sums else squares

        return add

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in _layers(model, architecture)]
    try:
        with torch.inference_mode():
            for number, text in enumerate(texts, 1):
                model(torch.tensor([list(text)]), use_cache=False)
                progress(number, len(texts))
    finally:
        for hook in hooks:
            hook.remove()
    tokens = sum(len(text) for text in texts)
    return ImportanceMatrix({name: total.float().numpy() for name, total in sums.items()}, tokens, len(texts))


def _layers(model: Any, architecture: str) -> Iterator[tuple[str, Any]]:
    """The linear layers, by the names of their weights in a GGUF file."""
    import gguf
    import torch

    known = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
    if architecture not in known:
        return
    names = gguf.get_tensor_name_map(known[architecture], model.config.get_text_config().num_hidden_layers)
    for module, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear):
            name = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
            if name and name not in _LEFT_OUT:
                yield name, layer
