"""Machines that can't train what a recipe asks for: each is one line that says what would do, and exit code 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from empathic.errors import UserError
from empathic.pipeline import needs
from empathic.student import launch, placement

_GPUS = """
import torch
class Properties:
    def __init__(self, room): self.total_memory = room
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 2
torch.cuda.is_bf16_supported = lambda including_emulation=True: True
torch.cuda.get_device_properties = lambda device: Properties(int((80e9, 0.5e9)[device]))
"""
_OLD_DRIVER = """
import torch
from pathlib import Path
from empathic.student import placement
def refuse(): raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).")
torch.version.cuda, torch.cuda.init = "13.0", refuse
placement._DEVICES = Path(__file__).parent
"""


@pytest.fixture
def pretended(refused: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """Run the command line on another machine, as far as torch tells of it, and return its one line."""

    def run(machine: str, *arguments: Any) -> str:
        (tmp_path / "sitecustomize.py").write_text(machine, encoding="utf-8")
        (tmp_path / "nvidia0").touch()
        return refused(*arguments, PYTHONPATH=str(tmp_path))

    return run


@pytest.mark.slow
def test_four_bits_without_a_gpu(refused: Callable[..., str], recipe_file: Path, tmp_path: Path) -> None:
    line = refused("run", recipe_file, "--out", tmp_path / "run", "--set", "student.load_in_4bit=true")
    assert "student.load_in_4bit: needs a GPU, and there is none here; set it to false" in line


@pytest.mark.slow
def test_of_mixed_gpus_the_smallest_counts(pretended: Callable[..., str], recipe_file: Path, tmp_path: Path) -> None:
    asked = ("run", recipe_file, "--out", tmp_path / "run", "--until", "sft", "--processes", 2)
    line = pretended(_GPUS, *asked)
    assert "steps.sft: needs about 1 GB and the smallest GPU has 0; nothing makes it fit here" in line


@pytest.mark.slow
def test_a_driver_older_than_torch_wants(pretended: Callable[..., str], recipe_file: Path, tmp_path: Path) -> None:
    line = pretended(_OLD_DRIVER, "run", recipe_file, "--out", tmp_path / "run", "--until", "sft")
    assert "can't use (The NVIDIA driver on your system is too old (found version 11040).); update its driver" in line
    assert "CUDA_VISIBLE_DEVICES=-1" in line


def test_a_gpu_that_torch_is_not_to_use_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise RuntimeError("too\nold")

    monkeypatch.setattr(placement, "_DEVICES", tmp_path)
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert placement.unusable() == ""  # no device
    (tmp_path / "nvidiactl").touch()
    assert placement.unusable() == ""
    (tmp_path / "nvidia0").touch()
    assert placement.unusable() == "too old"
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert placement.unusable() == ""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(torch.version, "cuda", None)  # torch's build for CPUs
    assert placement.unusable() == ""


def test_the_smallest_of_the_gpus_that_train(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        def __init__(self, room: float) -> None:
            self.total_memory = int(room)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: Properties((80e9, 48e9, 24e9)[i]))
    assert [needs._room(processes) for processes in (1, 2, 3, 4)] == [80e9, 48e9, 24e9, 24e9]


def test_a_process_takes_one_of_several_gpus(tmp_path: Path) -> None:
    from transformers import TrainingArguments

    from empathic.student import trainers

    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, per_device_train_batch_size=2)
    args._n_gpu = 4
    assert args.train_batch_size == 8
    assert trainers._on_one_gpu(args).train_batch_size == 2


_FSDP = "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\nfsdp_config: {fsdp_version: 2}\n"


@pytest.mark.parametrize(
    ("config", "four_bit", "says"),
    [
        ("distributed_type: [", False, r"run `accelerate config` again and choose anew"),
        (_FSDP.replace("FSDP", "DEEPSPEED", 1), False, "trains by DEEPSPEED, which isn't supported; .* or FSDP"),
        (_FSDP.replace("version: 2", "version: 1"), False, "FSDP version 1 wants weights of one type.* version 2"),
        (_FSDP.replace("{fsdp_version: 2}", "{}"), False, "FSDP version 1"),
        (_FSDP.replace("2}", "2, fsdp_activation_checkpointing: true}"), False, "set gradient_checkpointing of a step"),
        (_FSDP, True, "student.load_in_4bit: weights in 4 bits can't be sharded"),
    ],
)
def test_what_accelerate_is_configured_to_and_cannot_be_done_is_refused(
    config: str, four_bit: bool, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _configured(tmp_path, monkeypatch).write_text(config, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        launch.shards(four_bit)


def test_accelerates_configuration_says_whether_a_student_is_sharded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _configured(tmp_path, monkeypatch)
    assert launch.shards(four_bit=True) is None
    path.write_text(_FSDP, encoding="utf-8")
    assert launch.shards(four_bit=False) is True
    path.write_text(_FSDP.replace("FSDP", "MULTI_GPU", 1), encoding="utf-8")
    assert launch.shards(four_bit=True) is False


def _configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from accelerate.commands.config import config_args

    path = folder / "default_config.yaml"
    monkeypatch.setattr(config_args, "default_config_file", str(path))
    return path
