"""One GGUF file to another of fewer bits, with llama.cpp's own quantisers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.phone import ladder
from empathic.phone.native import native

Keys = Mapping[str, str | int]


def quantize(
    source: Path,
    out: Path,
    quant: str,
    importance: Mapping[str, Any] | None = None,
    keys: Keys | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Quantise a GGUF file in f32.

    Args:
        source: the file, as the converter writes it.
        out: the file to write, whole or not at all.
        quant: a name in `ladder.QUANTS`.
        importance: by tensor, the mean square of each input column; some tensors get other types with it.
        keys: metadata to write beside, or instead of, the source's.
        progress: told how many of how many tensors are done.

    Raises:
        UserError: `source` isn't a GGUF file in f32, or a torn one.
    """
    import gguf

    from empathic.phone.gguf_file import opened

    reader = opened(source)
    shape = _shape(reader)
    types = {tensor.name: _type(quant, tensor, shape, importance is not None) for tensor in reader.tensors}
    with files.whole(out) as part:
        writer = gguf.GGUFWriter(part, _text(reader, "general.architecture"))
        _copy_keys(reader, writer, {"general.file_type": _file_type(quant, reader, types), **(keys or {})})
        for tensor in reader.tensors:
            kind, rows = types[tensor.name], _rows(tensor)
            writer.add_tensor_info(tensor.name, rows.shape, rows.dtype, _bytes(kind, rows.shape), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for number, tensor in enumerate(reader.tensors, 1):
            kind, rows = types[tensor.name], _rows(tensor)
            writer.write_tensor_data(_converted(rows, kind, (importance or {}).get(tensor.name)))
            progress(number, len(reader.tensors))
        writer.close()


def _shape(reader: Any) -> ladder.Shape:
    of = _text(reader, "general.architecture")
    heads, groups = (_whole(reader, f"{of}.attention.{name}", 1) for name in ("head_count", "head_count_kv"))
    tied = all(tensor.name != "output.weight" for tensor in reader.tensors)
    return ladder.Shape(_whole(reader, f"{of}.block_count", 0), tied, heads // max(1, groups))


def _type(quant: str, tensor: Any, shape: ladder.Shape, matrix: bool) -> Any:
    """The type for a tensor: vectors stay as they are."""
    import gguf

    if tensor.tensor_type != gguf.GGMLQuantizationType.F32:
        raise UserError(f"{tensor.name}: {tensor.tensor_type.name}, want a GGUF file in f32 to quantise")
    name = len(tensor.shape) > 1 and ladder.tensor_type(quant, tensor.name, int(tensor.shape[0]), shape, matrix)
    return gguf.GGMLQuantizationType[name] if name else tensor.tensor_type


def _file_type(quant: str, reader: Any, types: Mapping[str, Any]) -> int:
    """The file's type as apps show it: that of the quant that most weights are of."""
    count: dict[str, float] = {}
    for tensor in reader.tensors:
        if len(tensor.shape) > 1:
            count[types[tensor.name].name] = count.get(types[tensor.name].name, 0) + int(tensor.n_elements)
    total = sum(count.values())
    return ladder.QUANTS[ladder.became(quant, {kind: n / total for kind, n in count.items()})].ftype


def _copy_keys(reader: Any, writer: Any, instead: Keys) -> None:
    import gguf

    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture" or key in instead:
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), field.types[0], sub_type=inner)
    for key, value in instead.items():
        writer.add_uint32(key, value) if isinstance(value, int) else writer.add_string(key, value)


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


def _text(reader: Any, key: str) -> str:
    return str(reader.fields[key].contents())


def _whole(reader: Any, key: str, otherwise: int) -> int:
    value = reader.fields[key].contents() if key in reader.fields else otherwise
    return int(max(value) if isinstance(value, list) else value)
