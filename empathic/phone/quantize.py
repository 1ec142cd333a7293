"""One GGUF file to another of fewer bits, with llama.cpp's own quantisers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.phone import gguf_file, ladder
from empathic.phone.native import native

Keys = Mapping[str, str | int]


class Source:
    """A GGUF file in f32 to quantise, read once: its tokenizer alone takes seconds."""

    def __init__(self, path: Path) -> None:
        """Read a file.

        Raises:
            UserError: it isn't a GGUF file in f32, or a torn one.
        """
        import gguf

        self.reader = gguf_file.opened(path)
        for tensor in self.reader.tensors:
            if tensor.tensor_type != gguf.GGMLQuantizationType.F32:
                raise UserError(f"{path}: {tensor.name} is {tensor.tensor_type.name}; want a GGUF file in f32")
        self.keys = [
            (key, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
            for key, field in self.reader.fields.items()
            if not key.startswith("GGUF.")
        ]
        said = {key: value for key, value, *_ in self.keys}
        self.architecture = str(said["general.architecture"])
        heads, groups, layers = (
            _most(said.get(f"{self.architecture}.{name}", 1))
            for name in ("attention.head_count", "attention.head_count_kv", "block_count")
        )
        tied = all(tensor.name != "output.weight" for tensor in self.reader.tensors)
        self.shape = ladder.Shape(layers, tied, heads // max(1, groups))


def quantize(
    source: Source,
    out: Path,
    quant: str,
    importance: Mapping[str, Any] | None = None,
    keys: Keys | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Quantise a GGUF file.

    Args:
        source: the file.
        out: the file to write, whole or not at all.
        quant: a name in `ladder.QUANTS`.
        importance: by tensor, the mean square of each input column; some tensors get other types with it.
        keys: metadata to write beside, or instead of, the source's.
        progress: told how many of how many tensors are done.
    """
    import gguf

    tensors = source.reader.tensors
    types = {tensor.name: _type(quant, tensor, source.shape, importance is not None) for tensor in tensors}
    instead = {"general.file_type": _file_type(quant, tensors, types), **(keys or {})}
    with files.whole(out) as part:
        writer = gguf.GGUFWriter(part, source.architecture)
        for key, value, kind, inner in source.keys:
            if key not in instead and key != "general.architecture":
                writer.add_key_value(key, value, kind, sub_type=inner)
        for key, said in instead.items():
            writer.add_uint32(key, said) if isinstance(said, int) else writer.add_string(key, said)
        for tensor in tensors:
            kind, rows = types[tensor.name], _rows(tensor)
            writer.add_tensor_info(tensor.name, rows.shape, rows.dtype, _bytes(kind, rows.shape), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for number, tensor in enumerate(tensors, 1):
            importance_of = (importance or {}).get(tensor.name)
            writer.write_tensor_data(_converted(_rows(tensor), types[tensor.name], importance_of))
            progress(number, len(tensors))
        writer.close()


def _most(value: Any) -> int:
    """A number of the model; the largest where layers differ."""
    return int(max(value) if isinstance(value, list) else value)


def _type(quant: str, tensor: Any, shape: ladder.Shape, matrix: bool) -> Any:
    """The type for a tensor: vectors stay as they are."""
    import gguf

    name = len(tensor.shape) > 1 and ladder.tensor_type(quant, tensor.name, int(tensor.shape[0]), shape, matrix)
    return gguf.GGMLQuantizationType[name] if name else tensor.tensor_type


def _file_type(quant: str, tensors: Sequence[Any], types: Mapping[str, Any]) -> int:
    """The file's type as apps show it: that of the quant that most weights are of."""
    count: dict[str, float] = {}
    for tensor in tensors:
        if len(tensor.shape) > 1:
            count[types[tensor.name].name] = count.get(types[tensor.name].name, 0) + int(tensor.n_elements)
    total = sum(count.values())
    return ladder.QUANTS[ladder.became(quant, {kind: n / total for kind, n in count.items()})].ftype


def _rows(tensor: Any) -> Any:
    """A tensor's weights, the last axis being its rows' columns."""
    return tensor.data.reshape([int(n) for n in reversed(tensor.shape)])


def _bytes(kind: Any, shape: tuple[int, ...]) -> int:
    import gguf

    block, size = gguf.GGML_QUANT_SIZES[kind]
    count = 1
    for n in shape:
        count *= n
    return int(count // block * size)


def _converted(rows: Any, kind: Any, importance: Any) -> Any:
    """Weights as llama.cpp stores them in a type."""
    import gguf
    import numpy

    if kind == gguf.GGMLQuantizationType.F32:
        return rows
    if kind == gguf.GGMLQuantizationType.F16:
        return rows.astype(numpy.float16)
    lib = native()
    weights = numpy.ascontiguousarray(rows, dtype=numpy.float32)
    out = numpy.empty(_bytes(kind, rows.shape), dtype=numpy.uint8)
    columns = rows.shape[-1]
    matrix = None
    if importance is not None:
        matrix = numpy.ascontiguousarray(importance, dtype=numpy.float32)
        if len(matrix) != columns:
            raise UserError(f"the importance matrix has {len(matrix)} columns where a tensor has {columns}")
    address = matrix.ctypes.data_as(ctypes.c_void_p) if matrix is not None else None
    lib.ggml_quantize_init(int(kind))
    lib.ggml_quantize_chunk(
        int(kind), weights.ctypes.data, out.ctypes.data, 0, weights.size // columns, columns, address
    )
    return out
