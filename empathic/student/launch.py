"""A training step in several processes, one a device: `empathic run RECIPE --processes N`.

`accelerate launch` starts them, with the user's own configuration where there is one (`accelerate config`), else with
N processes on this machine. Each runs this module; the first writes the adapter and tells how far it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.run import Run

_STEP = "step "


def train(step: str, run: Run, progress: Any, log: Any) -> dict[str, Any]:
    """Train a step of a run in as many processes as it says; arguments and result as `training` has them.

    Raises:
        UserError: more processes than devices, or a process that ended badly, in its own words.
    """
    import torch
    from accelerate.commands.config.config_args import default_config_file

    processes = run.processes
    gpus, cores = torch.cuda.device_count(), len(os.sched_getaffinity(0))
    if processes > (gpus or cores):
        raise UserError(f"--processes {processes}: this machine has {gpus or cores} {'GPUs' if gpus else 'cores'}")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes)]
    if not Path(default_config_file).exists():
        command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        command += ["--multi_gpu"] if gpus > 1 else ["--cpu"]
    command += ["-m", "empathic.student.launch", step, str(run.folder)]
    threads = {} if gpus else {"OMP_NUM_THREADS": str(cores // processes)}
    last: deque[str] = deque(maxlen=40)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **threads}
    ) as launched:
        assert launched.stdout is not None
        for line in launched.stdout:
            if line.startswith(_STEP):
                progress(*map(int, line.removeprefix(_STEP).split("/")))
            elif line.startswith("say "):
                log(line.removeprefix("say ").strip())
            else:
                last.append(line.rstrip())
    if launched.returncode:
        refusals = [line for line in last if line.startswith("empathic: ")]
        why = refusals[-1].removeprefix("empathic: ") if refusals else next((x for x in reversed(last) if x), "killed")
        raise UserError(f"{step} with {processes} processes: {why}")
    result: dict[str, Any] = files.read_json(run.history(step))
    return result


def main(step: str, folder: Path) -> None:
    """One of the processes."""
    from empathic.student import training

    first = os.environ.get("RANK", "0") == "0"

    def progress(done: int, total: int) -> None:
        if first:
            print(f"{_STEP}{done}/{total}", flush=True)

    def log(text: str) -> None:
        if first:
            print(f"say {text}", flush=True)

    try:
        run = Run.open(folder)
        rows = list(files.read_jsonl(run.lessons(run.recipe.step(step))))
        training.train_step(step, rows, run.trained, run.start(step), run.adapter(step), progress, log)
    except UserError as error:
        sys.exit(f"empathic: {error}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
