from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from empathic.phone import gguf_file, imatrix
from empathic.student.load import load_student

TEXTS = [[5, 6, 7, 8, 9], [50, 40, 30]]


@pytest.fixture
def found(tiny: Path) -> imatrix.ImportanceMatrix:
    model, _ = load_student(str(tiny))
    return imatrix.measure(model, TEXTS, "llama", lambda done, total: None)


def test_every_linear_layer_is_watched_under_its_name_in_the_file(
    found: imatrix.ImportanceMatrix, tiny_gguf: Path
) -> None:
    matrices = {t.name for t in gguf_file.opened(tiny_gguf).tensors if len(t.shape) > 1}
    assert set(found.sums) == matrices - {"token_embd.weight", "output.weight"}
    assert (found.tokens, found.texts) == (8, 2)


def test_what_enters_a_layer_is_squared_and_summed(found: imatrix.ImportanceMatrix, tiny: Path) -> None:
    import torch

    model, _ = load_student(str(tiny))
    want: Any = 0
    with torch.inference_mode():
        for text in TEXTS:
            embedded = model.get_input_embeddings()(torch.tensor(text))
            want = want + model.model.layers[0].input_layernorm(embedded).square().sum(0)
    for name in ("attn_q", "attn_k", "attn_v"):
        assert found.sums[f"blk.0.{name}.weight"] == pytest.approx(want.numpy(), rel=1e-4)
    assert found.means["blk.0.attn_q.weight"] == pytest.approx(want.numpy() / 8, rel=1e-4)


def test_the_file_is_as_llama_imatrix_writes_it(found: imatrix.ImportanceMatrix, tmp_path: Path) -> None:
    found.write(tmp_path / "i.gguf", "two texts")
    reader = gguf_file.opened(tmp_path / "i.gguf")
    keys = {key: field.contents() for key, field in reader.fields.items()}
    assert keys["general.type"] == "imatrix"
    assert keys["imatrix.datasets"] == ["two texts"]
    assert (keys["imatrix.chunk_count"], keys["imatrix.chunk_size"]) == (2, 4)
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    assert len(tensors) == 2 * len(found.sums)
    name = "blk.1.ffn_down.weight"
    assert numpy.array_equal(tensors[f"{name}.in_sum2"].ravel(), found.sums[name])
    assert tensors[f"{name}.counts"].ravel().tolist() == [8]


def test_an_architecture_without_known_names_gives_nothing(tiny: Path) -> None:
    model, _ = load_student(str(tiny))
    assert not imatrix.measure(model, TEXTS, "no-such", lambda done, total: None).sums
