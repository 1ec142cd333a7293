"""Merged weights as an ONNX graph that transformers.js runs, made by onnxruntime-genai's builder and put right here.

transformers.js makes the empty cache of keys and values from the shapes that the file says, and a builder's file leaves
one of them open. In 8 bits the builder keeps tied embeddings a second time, in float32; here they are one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic.errors import UserError

_LARGEST = 2**31 - 2**24  # bytes of a protobuf file: what is larger keeps its weights in a file beside
_HEAD, _TABLE = "/lm_head/MatMul", "/model/embed_tokens/Gather"


@dataclass(frozen=True)
class Dtype:
    """A type of weights as transformers.js names it.

    Attributes:
        file: the graph's name, by which transformers.js finds it.
        precision: what the builder calls it.
        algorithm: how the builder quantises; "" where it doesn't.
    """

    file: str
    precision: str
    algorithm: str = ""


DTYPES = {
    "fp32": Dtype("model.onnx", "fp32"),
    "q8": Dtype("model_quantized.onnx", "int8", "k_quant"),
    "q4": Dtype("model_q4.onnx", "int4", "k_quant_last"),  # the head, and embeddings tied to it, in 8 bits
}


def build(merged: Path, out: Path, dtype: Dtype, config: dict[str, Any]) -> int:
    """Write a graph.

    Args:
        merged: a Hugging Face folder.
        out: the folder for it.
        dtype: of the weights.
        config: what `merged/config.json` holds.

    Returns:
        How many files of weights stand beside the graph: 0 where all are in it.

    Raises:
        UserError: the builder doesn't take the model, with its words.
    """
    import onnx_ir as ir

    with tempfile.TemporaryDirectory(dir=out) as work:
        _run_builder(merged, Path(work), dtype)
        model = ir.load(Path(work) / "model.onnx")
        ir.external_data.load_to_model(model)
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.name and value.name.endswith((".key", ".value")) and value.shape is not None:
            value.shape = ir.Shape([*list(value.shape)[:3], width])
    if dtype.precision == "int8" and config.get("tie_word_embeddings"):
        _tie(model)
    weights = sum(one.const_value.nbytes for one in model.graph.initializers.values() if one.const_value is not None)
    large = weights > _LARGEST
    ir.save(model, out / dtype.file, external_data=f"{dtype.file}_data" if large else None)
    return int(large)


def _run_builder(merged: Path, work: Path, dtype: Dtype) -> None:
    """In a process of its own: the package puts modules of common names on the path."""
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(merged), "-o", str(work)]
    options = ["windowed_kv_cache=false", *([f"algo_config={dtype.algorithm}"] if dtype.algorithm else [])]
    command += ["-c", str(work), "-p", dtype.precision, "-e", "cpu", "--extra_options", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:200]
        raise UserError(f"{merged}: onnxruntime-genai can't write it for transformers.js ({why})")


def _tie(model: Any) -> None:
    """Have embeddings read from the head's 8-bit weights, which are theirs too."""
    import onnx_ir as ir

    nodes = {node.name or "": node for node in model.graph}
    gather = nodes[_TABLE]
    head = next(node for name, node in nodes.items() if name.startswith(_HEAD))
    table, (_, weight, *scales) = gather.inputs[0], head.inputs
    shape = ir.Value(name="embed_shape", const_value=ir.tensor([weight.shape[0], -1], name="embed_shape"))
    model.graph.initializers["embed_shape"] = shape
    flat = ir.node("Reshape", [weight, shape])
    about = {"bits": 8, "block_size": head.attributes["block_size"].value, "gather_axis": 0, "quantize_axis": 1}
    read = ir.node("GatherBlockQuantized", [flat.outputs[0], gather.inputs[1], *scales], about, domain="com.microsoft")
    model.graph.insert_before(gather, [flat, read])
    gather.outputs[0].replace_all_uses_with(read.outputs[0])
    model.graph.remove(gather, safe=True)
    del model.graph.initializers[table.name]
