"""Students as people have them: PEFT adapters, folders without weights, names with typing mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from empathic.errors import UserError
from empathic.student import load


def test_an_adapter_is_its_base_with_the_adapter_merged(adapter: Path, tiny: Path) -> None:
    import torch
    from peft import PeftModel

    base, _ = load.load_student(str(tiny))
    asked = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        without = base(asked).logits
        want = PeftModel.from_pretrained(base, str(adapter))(asked).logits
        found, tokenizer = load.load_student(str(adapter))
        assert torch.allclose(found(asked).logits, want, atol=1e-4)
        assert not torch.allclose(want, without, atol=0.1)
    assert tokenizer.chat_template
    assert not [name for name, _ in found.named_parameters() if "lora" in name]
    assert load.load_config(str(adapter)).model_type == "llama"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"base_model_name_or_path": "/nowhere/base"}, "is an adapter for /nowhere/base, which can't be loaded"),
        ({"base_model_name_or_path": None}, "is an adapter that names no base"),
        ({"task_type": "SEQ_CLS"}, "is an adapter for SEQ_CLS, not for a language model"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_one_line(adapter: Path, change: dict[str, Any], line: str) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    for look in (load.load_config, load.load_student):
        with pytest.raises(UserError, match=line):
            look(str(adapter))


def test_an_adapter_on_an_adapter_keeps_both_and_one_beside_a_whole_model_is_one_line(
    adapter: Path, tiny: Path, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model

    student, _ = load.load_student(str(adapter))
    config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = get_peft_model(student, config)
    model.save_pretrained(tmp_path / "second")
    assert load.adapter_base(str(tmp_path / "second")) == str(adapter)
    again, _ = load.load_student(str(tmp_path / "second"))
    name = "model.layers.0.mlp.down_proj.weight"
    assert (again.get_parameter(name) - load.load_student(str(adapter))[0].get_parameter(name)).abs().max() < 1e-6
    for path in tiny.iterdir():
        shutil.copy(path, adapter)
    with pytest.raises(UserError, match="holds a whole model and an adapter"):
        load.load_student(str(adapter))


def test_a_folder_without_weights_is_one_line(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "bare")
    load.check_weights(str(tmp_path / "bare"))
    for path in (tmp_path / "bare").glob("*.safetensors"):
        path.unlink()
    with pytest.raises(UserError, match="holds no weights"):
        load.check_weights(str(tmp_path / "bare"))


@pytest.mark.parametrize("name", ["nobody/no-such-model-135m", "nowhere.gguf", "nowhere/folder"])
def test_a_name_that_is_nothing_is_one_line(name: str) -> None:
    with pytest.raises(UserError, match=r"nowhere|nobody"):
        load.load_config(name)
