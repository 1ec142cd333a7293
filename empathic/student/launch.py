"""A training step in several processes, one a device: `empathic run RECIPE --processes N`.

`accelerate launch` starts them, with the user's own configuration where there is one (`accelerate config`), else with
N processes on this machine: data-parallel, or sharded (FSDP). Each runs this module; the first writes the adapter and
tells how far it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.run import Run

_STEP = "step "
_KINDS = ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP")  # of accelerate's, that training was tried with
_FAILED = re.compile(
    r"(?:\[rank\d+\]: )?(?:[\w.]+\.)?(\w+(?:Error|Exception): .+)|traceback : (Signal (?!15 ).+)"
)  # 15: ended by torchrun itself


def train(step: str, run: Run, progress: Any, log: Any) -> dict[str, Any]:
    """Train a step of a run in as many processes as it says; arguments and result as `training` has them.

    Raises:
        UserError: more processes than devices, or a process that ended badly, in its own words.
    """
    import torch

    processes = run.processes
    gpus, cores = torch.cuda.device_count(), len(os.sched_getaffinity(0))
    if processes > (gpus or cores):
        raise UserError(f"--processes {processes}: this machine has {gpus or cores} {'GPUs' if gpus else 'cores'}")
    sharded = shards(run.recipe.student.load_in_4bit)
    if sharded and not gpus:
        log("accelerate shards on GPUs alone (FSDP): here each process holds the whole student")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes)]
    if sharded is None:
        command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        command += ["--multi_gpu"] if gpus > 1 else ["--cpu"]
    command += ["-m", "empathic.student.launch", step, str(run.folder)]
    threads = {} if gpus else {"OMP_NUM_THREADS": str(cores // processes)}
    refused = failed = killed = last = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **threads}
    ) as launched:
        assert launched.stdout is not None
        for line in map(str.strip, launched.stdout):
            if line.startswith(_STEP):
                progress(*map(int, line.removeprefix(_STEP).split("/")))
            elif line.startswith("say "):
                log(line.removeprefix("say "))
            elif line.startswith("empathic: "):
                refused = refused or line.removeprefix("empathic: ")
            elif found := _FAILED.match(line):
                failed, killed = failed or found[1] or "", killed or found[2] or ""  # others follow from the first
            else:
                last = line or last
    if launched.returncode:
        raise UserError(f"{step} with {processes} processes: {refused or killed or failed or last or 'killed'}")
    result: dict[str, Any] = files.read_json(run.history(step))
    return result


def shards(four_bit: bool) -> bool | None:
    """Whether the user's `accelerate config` has the student sharded (FSDP); None where there is no configuration.

    Args:
        four_bit: whether its weights are in 4 bits.

    Raises:
        UserError: it can't be read, or asks for what can't be done.
    """
    from accelerate.commands.config.config_args import default_config_file, load_config_from_file

    if not Path(default_config_file).exists():
        return None
    again = "run `accelerate config` again and choose"
    try:
        config = load_config_from_file(None)
        kind = getattr(config.distributed_type, "value", config.distributed_type)
        fsdp = getattr(config, "fsdp_config", None) or {}
    except Exception as error:  # a YAML file has many ways to be wrong
        raise UserError(f"{default_config_file}: {' '.join(str(error).split())[:200]}; {again} anew") from error
    if kind not in _KINDS:
        raise UserError(f"{default_config_file}: trains by {kind}, which isn't supported; {again} multi-GPU or FSDP")
    if kind != "FSDP":
        return False
    if fsdp.get("fsdp_version", 1) != 2:
        raise UserError(
            f"{default_config_file}: FSDP version 1 wants weights of one type, and adapters stay in float32; {again} "
            "version 2"
        )
    if fsdp.get("fsdp_activation_checkpointing"):
        raise UserError(
            f"{default_config_file}: fsdp_activation_checkpointing is on; {again} none, and set gradient_checkpointing"
            " of a step"
        )
    if four_bit:
        raise UserError(
            "student.load_in_4bit: weights in 4 bits can't be sharded (FSDP); set it to false, or "
            f"{again} multi-GPU without FSDP"
        )
    return True


def main(step: str, folder: Path) -> None:
    """One of the processes."""
    from empathic.student import training
    from empathic.student.lessons import Lessons

    first = os.environ.get("RANK", "0") == "0"

    def progress(done: int, total: int) -> None:
        if first:
            print(f"{_STEP}{done}/{total}", flush=True)

    def log(text: str) -> None:
        if first:
            print(f"say {text}", flush=True)

    try:
        run = Run.open(folder)
        rows = Lessons(run.lessons(run.recipe.step(step)))
        training.train_step(step, rows, run.trained, run.start(step), run.adapter(step), progress, log)
    except UserError as error:
        sys.exit(f"empathic: {error}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
