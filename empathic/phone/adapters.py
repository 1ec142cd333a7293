"""A LoRA adapter as a GGUF file that llama.cpp puts on its base when it loads, and that is small enough to ship.

llama.cpp's Q8_0 quantises rows in blocks of 32, and the rows of LoRA's `b` are only as long as the rank: its own files
keep `b` in 16 bits. A packed adapter holds `b` the other way round, which halves the file; unpacking turns it back.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from empathic import files, models
from empathic.phone.convert import convert_adapter

_TURNED = ".lora_b"  # the end of a tensor's name


def pack(adapter: Path, base: Path, out: Path) -> None:
    """Write a PEFT adapter as a packed GGUF file.

    Args:
        adapter: its folder.
        base: the GGUF file that it was trained on.
        out: the file to write, whole or not at all.

    Raises:
        UserError: llama.cpp's converter doesn't know the model; says why in its words.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = AutoConfig.from_pretrained(base.parent, gguf_file=base.name)
    config.architectures = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]]  # a GGUF file doesn't say it
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        wide = Path(folder) / "adapter.gguf"
        convert_adapter(adapter, Path(folder), wide, "f32")
        _rewrite(wide, out, packed=True)


def unpacked(path: Path) -> Path:
    """A packed adapter as llama.cpp reads it, kept in the cache by the packed file's hash."""
    out = models.cache() / "adapters" / f"{path.stem}-{files.sha256(path)[:12]}.gguf"
    if not out.exists():
        _rewrite(path, out, packed=False)
    return out


def _rewrite(source: Path, out: Path, packed: bool) -> None:
    """Copy an adapter, its `b` turned, all in Q8_0 where it is to be packed and `b` in 16 bits where not."""
    import gguf
    import numpy as np

    q8_0 = gguf.GGMLQuantizationType.Q8_0
    reader: Any = gguf.GGUFReader(source)
    with files.whole(out) as part:
        writer: Any = gguf.GGUFWriter(part, reader.fields["general.architecture"].contents())
        for name, value in reader.fields.items():
            if not name.startswith("GGUF.") and name != "general.architecture":
                writer.add_key_value(name, value.contents(), value.types[0])
        for tensor in reader.tensors:
            data = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            turned = tensor.name.endswith(_TURNED)
            data = np.ascontiguousarray(data.T if turned else data)
            if packed or not turned:
                writer.add_tensor(tensor.name, gguf.quants.quantize(data, q8_0), raw_dtype=q8_0)
            else:
                writer.add_tensor(tensor.name, data.astype(np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
