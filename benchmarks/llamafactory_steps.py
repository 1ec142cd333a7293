"""Run in LLaMA-Factory's own environment: train as a YAML file says, and print when each step ended and peak memory."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from llamafactory.train.tuner import run_exp
from transformers import TrainerCallback


class Clock(TrainerCallback):
    """Keep the time at the end of every step."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.ends.append(time.perf_counter())


if __name__ == "__main__":
    clock = Clock()
    run_exp(yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8")), callbacks=[clock])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ends": clock.ends, "megabytes": peak}))
