"""Students as people have them: PEFT adapters, folders without weights, names with typing mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from empathic import models
from empathic.errors import UserError
from empathic.student import load, unloadable


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


def _cut(path: Path, size: int) -> None:
    """Leave the first bytes of a file, as a full disk does."""
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize("size", [0, 100, 50_000])
def test_weights_that_are_cut_short_are_one_line_that_names_the_file(tiny: Path, tmp_path: Path, size: int) -> None:
    shutil.copytree(tiny, tmp_path / "base")
    _cut(tmp_path / "base" / "model.safetensors", size)
    with pytest.raises(UserError, match=r"^student\.model: .*base/model\.safetensors is cut short or damaged; put the"):
        load.load_student(str(tmp_path / "base"))


def test_older_weights_that_are_cut_short_are_one_line(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "base")
    (tmp_path / "base" / "model.safetensors").unlink()
    for data in (b"", b"no pickle"):
        (tmp_path / "base" / "pytorch_model.bin").write_bytes(data)
        with pytest.raises(UserError, match=r"^student\.model: .*base is cut short or damaged"):
            load.load_student(str(tmp_path / "base"))


def test_an_adapter_that_is_cut_short_or_without_weights_is_one_line(adapter: Path, tiny: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    _cut(path, 100)
    with pytest.raises(UserError, match=r"^student\.model: .*adapter_model\.safetensors is cut short or damaged"):
        load.load_student(str(adapter))
    with pytest.raises(UserError, match=r"^/.*adapter_model\.safetensors is cut short or damaged"):
        load.merged(str(tiny), None, adapter)
    path.unlink()
    with pytest.raises(UserError, match=r"adapter: the adapter can't be put on its base \(it has no weights\)"):
        load.merged(str(tiny), None, adapter)


def test_an_adapter_of_another_base_is_one_line(adapter: Path, larger: Path) -> None:
    with pytest.raises(UserError, match=r"can't be put on its base \(.*size mismatch.*train it anew"):
        load.merged(str(larger), None, adapter)


@pytest.mark.slow
def test_a_file_of_which_the_copy_in_the_cache_is_cut_short_names_the_copy(tiny_gguf: Path) -> None:
    load.load_student(str(tiny_gguf))
    (kept,) = (models.cache() / "dequantised").iterdir()
    _cut(kept / "model.safetensors", 100)
    with pytest.raises(UserError, match=rf"{kept} is cut short or damaged; delete it, .* from .*tiny\.gguf"):
        load.load_student(str(tiny_gguf))
    shutil.rmtree(kept)
    load.load_student(str(tiny_gguf))


def test_a_full_disk_is_not_taken_for_damage() -> None:
    from safetensors import SafetensorError

    why = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(SafetensorError, match="No space left"), unloadable.model("base"):
        raise SafetensorError(why)


@pytest.mark.parametrize("name", ["/nowhere/base", "./base", "../base", "~/base", "some/where/base"])
def test_a_path_to_nothing_is_no_such_folder(name: str) -> None:
    for look in (load.load_config, load.load_tokenizer, load.load_student):
        with pytest.raises(UserError, match=f"^student.model: {name}: no such folder.*; put it there, or name another"):
            look(name)


def test_a_file_in_capitals_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"NONE\.GGUF: no such file"):
        load.load_config(str(tmp_path / "NONE.GGUF"))
