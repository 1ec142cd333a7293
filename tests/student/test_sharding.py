"""FSDP by accelerate's own configuration: two processes that shard a student train as one process does.

Accelerate shards on GPUs alone: `accelerate.state.AcceleratorState.__init__` passes over `MULTI_CPU`. PyTorch's
`fully_shard` runs on CPUs with gloo. So the processes of these tests are told that they are on another device, by a
`sitecustomize`, and everything else runs as it would on GPUs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from empathic.student.load import adapted, load_student

STEPS = ("sft", "dpo")
SHARDS_ON_CPUS = """
import os
if os.environ.get("ACCELERATE_USE_FSDP") == "true" and "RANK" in os.environ:
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType
    stock = PartialState.__init__
    def init(self, *args, **kwargs):
        stock(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_XPU
    PartialState.__init__ = init
"""
CONFIG = """
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
fsdp_config:
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_cpu_ram_efficient_loading: {by_first}
  fsdp_offload_params: false
  fsdp_reshard_after_forward: {again}
  fsdp_state_dict_type: {state}
  fsdp_version: 2
machine_rank: 0
mixed_precision: 'no'
num_machines: 1
num_processes: 2
use_cpu: true
"""
two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processes want two cores")


def _sharded(folder: Path, **said: str) -> dict[str, str]:
    """The environment of a user whose `accelerate config` shards."""
    (folder / "hf" / "accelerate").mkdir(parents=True)
    (folder / "hf" / "accelerate" / "default_config.yaml").write_text(CONFIG.format(**said), encoding="utf-8")
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(SHARDS_ON_CPUS, encoding="utf-8")
    return {"HF_HOME": str(folder / "hf"), "PYTHONPATH": str(folder / "site")}


def _asked(recipe: Path, out: Path, *more: str) -> list[Any]:
    sets = [f"steps.{step}.{one}" for step in STEPS for one in ("batch_size=4", *more)]
    return ["run", recipe, "--out", out, "--until", "dpo", *(part for one in sets for part in ("--set", one))]


def _same(run: Path, other: Path, apart: float) -> None:
    """Both runs went through the same losses to the same adapters."""
    for step in STEPS:
        told = [json.loads((one / "student" / f"{step}.json").read_text("utf-8")) for one in (run, other)]
        losses = [[row["loss"] for row in one["history"]] for one in told]
        assert len(losses[0]) == 3
        assert losses[0] == pytest.approx(losses[1], abs=apart)
        assert losses[0][-1] < losses[0][0]
        ours, theirs = (load_file(one / "student" / step / "adapter_model.safetensors") for one in (run, other))
        assert {name: (one.shape, one.dtype) for name, one in ours.items()} == {
            name: (one.shape, one.dtype) for name, one in theirs.items()
        }


def _killed_after_a_checkpoint(arguments: list[Any], out: Path, env: dict[str, str]) -> str:
    """Run the command, kill one of the processes that train once SFT's first checkpoint is whole; what was told."""
    with subprocess.Popen(
        [sys.executable, "-m", "empathic.cli", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    ) as running:
        while not (out / "student" / ".sft-checkpoints" / "checkpoint-1" / "whole").exists():
            assert running.poll() is None, running.stderr and running.stderr.read()
            time.sleep(0.05)
        trainers = [one for one in psutil.Process(running.pid).children(recursive=True) if "RANK" in one.environ()]
        trainers[-1].kill()
        _, said = running.communicate(timeout=300)
    assert running.returncode == 2, said
    return said


@pytest.mark.long
@pytest.mark.slow
@two_cores
def test_two_processes_that_shard_train_as_one_killed_or_not(
    empathic: Any, recipe_file: Path, tiny: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    done = empathic(*_asked(recipe_file, one, "gradient_accumulation_steps=2"))
    assert done.returncode == 0, done.stderr
    env = _sharded(tmp_path, by_first="false", again="true", state="SHARDED_STATE_DICT")
    asked = [*_asked(recipe_file, two), "--processes", "2"]
    (line,) = _killed_after_a_checkpoint(asked, two, env).strip().splitlines()
    assert line.startswith("empathic: sft with 2 processes: ")
    done = empathic(*asked, **env)
    assert done.returncode == 0, done.stderr
    assert "kernel" not in done.stdout
    _same(one, two, 1e-4)
    assert json.loads((two / "manifest.json").read_text("utf-8"))["stages"]["dpo"]["facts"]["reward_accuracy"] >= 0
    rows = torch.arange(3, 23).reshape(2, 10)
    with torch.no_grad():
        said = [adapted(load_student(str(tiny))[0], run / "student" / "dpo")(rows).logits for run in (one, two)]
        base = load_student(str(tiny))[0](rows).logits
    assert torch.allclose(said[0], said[1], atol=1e-4)
    assert not torch.allclose(base, said[1], atol=1e-2)


@pytest.mark.long
@pytest.mark.slow
@two_cores
def test_a_sharded_qwen2_in_bfloat16_trains_as_in_one_process(
    empathic: Any, recipe_file: Path, tiny: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    sizes = json.loads((tiny / "config.json").read_text("utf-8"))
    kept = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    config = Qwen2Config(**{name: sizes[name] for name in kept}, num_key_value_heads=2, tie_word_embeddings=False)
    Qwen2ForCausalLM(config).save_pretrained(tmp_path / "qwen2")
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path / "qwen2")
    set_ = ("--set", f"student.model={tmp_path / 'qwen2'}", "--set", "student.dtype=bfloat16")
    one, two = tmp_path / "one", tmp_path / "two"
    done = empathic(*_asked(recipe_file, one, "gradient_accumulation_steps=2"), *set_)
    assert done.returncode == 0, done.stderr
    env = _sharded(tmp_path, by_first="true", again="false", state="FULL_STATE_DICT")
    done = empathic(*_asked(recipe_file, two, "gradient_checkpointing=true"), *set_, "--processes", 2, **env)
    assert done.returncode == 0, done.stderr
    _same(one, two, 0.02)
    weights = load_file(two / "student" / "dpo" / "adapter_model.safetensors")
    assert {one.dtype for one in weights.values()} == {torch.float32}
