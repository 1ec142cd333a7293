from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from empathic.conversation.engine import Engine
from empathic.phone import adapters


@pytest.mark.slow  # the converter starts in ten seconds
def test_a_packed_adapter_is_small_and_says_what_the_adapter_says(
    adapter: Path, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gguf
    from safetensors.numpy import load_file

    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path / "cache"))
    packed = tmp_path / "packed.gguf"
    adapters.pack(adapter, tiny_gguf, packed)
    weights = load_file(adapter / "adapter_model.safetensors")
    tensors = gguf.GGUFReader(packed).tensors
    assert len(tensors) == len(weights)
    assert sum(tensor.n_bytes for tensor in tensors) * 8 / sum(weight.size for weight in weights.values()) == 8.5

    opened = adapters.unpacked(packed)
    assert opened == adapters.unpacked(packed)
    (down,) = (t for t in gguf.GGUFReader(opened).tensors if t.name == "blk.1.ffn_down.weight.lora_b")
    (peft,) = (w for name, w in weights.items() if "layers.1.mlp.down_proj.lora_B" in name)
    np.testing.assert_allclose(np.asarray(down.data, np.float32), peft, atol=np.abs(peft).max() / 100)

    engine = Engine(tiny_gguf, 1, opened)
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12, "temperature": 0}
    with_it, without = (
        "".join(chunk.text for chunk in engine.stream(partial(dict, asked, lora=[{"id": 0, "scale": scale}])))
        for scale in (1.0, 0.0)
    )
    engine.close()
    plain = Engine(tiny_gguf, 1)
    assert without == "".join(chunk.text for chunk in plain.stream(lambda: asked)) != with_it
    plain.close()
