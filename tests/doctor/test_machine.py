from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from empathic import models
from empathic.doctor import machine

_H200 = "NVIDIA H200"


@pytest.mark.parametrize(
    ("build", "for_gpus", "used", "there", "says"),
    [
        ("built for CUDA 13.0", True, [_H200], [_H200], ["ok", "ok: NVIDIA H200: training uses it"]),
        (
            "built for CUDA 13.0",
            True,
            [],
            [],
            ["mind: 2.13.0, built for CUDA 13.0, on a machine without a GPU", "ok: none"],
        ),
        ("built for CUDA 13.0", True, [], [_H200], ["ok", "mind: NVIDIA H200, which torch can't use; its driver"]),
        ("built for the CPU", False, [], [_H200], ["ok", "mind: NVIDIA H200, which torch can't use; install"]),
        ("built for the CPU", False, [], [], ["ok: 2.13.0, built for the CPU", "ok: none: everything runs on the CPU"]),
    ],
)
def test_a_gpu_is_there_and_used_or_not(build, for_gpus, used, there, says) -> None:
    found = [f"{one.mark}: {one}" for one in machine.told("2.13.0", build, for_gpus, used, there)]
    assert [line.startswith(start) for line, start in zip(found, says, strict=True)] == [True, True], found


def test_torch_of_this_machine_is_told() -> None:
    import torch

    found = list(machine.gpu())
    assert torch.__version__ in found[0].what
    assert found[-1].check == "GPU"


def test_a_cache_that_is_a_file_or_lies_under_one_fails(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path / "file"))
    assert machine.cache().mark == "fails"
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path / "file" / "below"))
    assert machine.cache().mark == "fails"
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path / "none" / "yet"))
    assert machine.cache().mark == "ok"
    assert not (tmp_path / "none").exists(), "looking makes nothing"


def test_room_is_that_of_the_models_which_are_missing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 500 * 10**6))
    assert machine.room().mark == "mind"
    assert machine.room(["smollm2-135m"]).mark == "ok"
    assert machine.room(["qwen2.5-coder-1.5b"]).mark == "fails"
    models.cached("qwen2.5-coder-1.5b").touch()
    assert machine.room(["qwen2.5-coder-1.5b"]).mark == "ok"
