from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from empathic.errors import UserError
from empathic.phone import convert, gguf_file, ladder, quantize
from empathic.phone.logits import Logits


@pytest.fixture(scope="module")
def source(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in f32, with keys of ours."""
    out = tmp_path_factory.mktemp("source") / "m.gguf"
    convert.convert(tiny, out, "f32", {"general.name": "small dpo", "general.source.url": "empathic:run/small"})
    return out


@pytest.mark.slow
def test_q8_0_is_to_the_byte_what_the_converter_writes(source: Path, tiny: Path, tmp_path: Path) -> None:
    quantize.quantize(quantize.Source(source), tmp_path / "ours.gguf", "q8_0")
    convert.convert(tiny, tmp_path / "theirs.gguf", "q8_0")
    ours, theirs = (gguf_file.opened(tmp_path / f"{name}.gguf") for name in ("ours", "theirs"))
    by_name = {tensor.name: tensor for tensor in theirs.tensors}
    for tensor in ours.tensors:
        assert tensor.tensor_type == by_name[tensor.name].tensor_type
        assert numpy.array_equal(tensor.data, by_name[tensor.name].data), tensor.name


@pytest.mark.long
@pytest.mark.slow
def test_every_quant_is_a_file_that_llama_cpp_reads_and_says_what_it_is(source: Path, tmp_path: Path) -> None:
    tokens = list(range(20, 60))
    with Logits(source, 64) as whole:
        want = whole.along(tokens)
    off, opened = {}, quantize.Source(source)
    for name in ladder.QUANTS:
        out = tmp_path / f"{name}.gguf"
        quantize.quantize(opened, out, name, keys={"tokenizer.ggml.eot_token_id": 2})
        found = gguf_file.read(out)
        assert found.keys["general.name"] == "small dpo"
        assert found.keys["tokenizer.ggml.eot_token_id"] == 2
        assert found.keys["general.file_type"] == ladder.QUANTS[ladder.became(name, found.shares)].ftype
        assert found.bits_per_weight <= ladder.QUANTS[name].most + 3, "the tiny model is mostly embeddings"
        assert "tokenizer.chat_template" in gguf_file.opened(out).fields
        with Logits(out, 64) as file:
            off[name] = float(numpy.abs(file.along(tokens) - want).mean())
    assert off["f16"] < off["q8_0"] < off["q5_1"] < off["q4_0"], off


@pytest.mark.slow
def test_an_importance_matrix_spares_the_columns_that_matter(source: Path, tmp_path: Path) -> None:
    import gguf

    name = "blk.0.ffn_up.weight"
    weights = _weights(source, name)
    matter = numpy.ones(weights.shape[1], dtype=numpy.float32)
    matter[:4] = 1e4
    errors = {}
    for label, importance in (("without", None), ("with", {name: matter})):
        quantize.quantize(quantize.Source(source), tmp_path / f"{label}.gguf", "q4_0", importance)
        tensor = next(t for t in gguf_file.opened(tmp_path / f"{label}.gguf").tensors if t.name == name)
        errors[label] = numpy.abs(gguf.quants.dequantize(tensor.data, tensor.tensor_type) - weights)
    assert errors["with"][:, :4].mean() < 0.7 * errors["without"][:, :4].mean()


def _weights(path: Path, name: str) -> Any:
    tensor = next(t for t in gguf_file.opened(path).tensors if t.name == name)
    return tensor.data.reshape([int(n) for n in reversed(tensor.shape)])


@pytest.mark.slow
def test_what_is_torn_or_no_gguf_file_is_refused_in_one_line(tiny_gguf: Path, tmp_path: Path) -> None:
    data = tiny_gguf.read_bytes()
    for name, held in (("torn", data[: len(data) // 2]), ("head", data[:64]), ("text", b"hello"), ("empty", b"")):
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(held)
        with pytest.raises(UserError, match=f"{name}.gguf: .*(not a whole GGUF file|without its tensors)"):
            gguf_file.read(path)
        with pytest.raises(UserError):
            quantize.Source(path)
    with pytest.raises(UserError, match="no such file"):
        gguf_file.read(tmp_path / "none.gguf")


@pytest.mark.slow
def test_only_files_in_f32_are_quantised(source: Path, tmp_path: Path) -> None:
    quantize.quantize(quantize.Source(source), tmp_path / "a.gguf", "q8_0")
    with pytest.raises(UserError, match="want a GGUF file in f32"):
        quantize.Source(tmp_path / "a.gguf")
