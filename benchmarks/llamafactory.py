"""LLaMA-Factory as a peer of the training bench, in a virtual environment of its own beside this file.

Same weights, data, template, batch, rank and rate as ours; its other settings are its own defaults for LoRA on a CPU in
float32. Audio plays no part: it is installed without torchaudio, whose import an empty module satisfies.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import yaml

VERSION = "0.9.5"
HOME = Path(__file__).parent / ".llamafactory"
STEPS = Path(__file__).with_name("llamafactory_steps.py")


def install() -> Path:
    """The environment's folder, made when absent."""
    if not (HOME / "installed").exists():
        venv.create(HOME, with_pip=True)
        pip = [str(HOME / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "torch==2.13.0"], check=True)
        subprocess.run([*pip, "--no-deps", f"llamafactory=={VERSION}"], check=True)
        subprocess.run([*pip, "-r", str(Path(__file__).with_suffix(".txt"))], check=True)
        stub = next(HOME.glob("lib/python*/site-packages")) / "torchaudio"
        stub.mkdir(exist_ok=True)
        (stub / "__init__.py").touch()
        (HOME / "installed").touch()
    return HOME


def measure(
    step: str,
    rows: list[dict[str, Any]],
    system_prompt: str,
    model: Path,
    adapter: Path | None,
    batch: int,
    folder: Path,
) -> dict[str, float]:
    """Train on `rows` for one epoch; examples per second after the first step, and peak memory in MB.

    Args:
        step: `sft` or `dpo`.
        rows: of `corpus/sft.jsonl` or `corpus/preferences.jsonl`.
        system_prompt: the instruction, as the system message.
        model: the student as a Hugging Face folder.
        adapter: the SFT adapter to go on from, for `dpo`.
        batch: examples a step.
        folder: an empty folder to work in.
    """
    data, columns = [], {"prompt": "asked", "system": "told"}
    for row in rows:
        one = {"told": system_prompt, "asked": row["prompt"][0]["content"]}
        for key in ("completion", "chosen", "rejected"):
            if key in row:
                one[key] = row[key][0]["content"]
        data.append(one)
    columns |= {"response": "completion"} if step == "sft" else {"chosen": "chosen", "rejected": "rejected"}
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    about = {"rows": {"file_name": "data.json", "columns": columns, "ranking": step == "dpo"}}
    (folder / "dataset_info.json").write_text(json.dumps(about), encoding="utf-8")
    settings: dict[str, Any] = {
        "model_name_or_path": str(model),
        "stage": step,
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": 8,
        "lora_target": "all",
        "dataset": "rows",
        "dataset_dir": str(folder),
        "template": "smollm",
        "cutoff_len": 2048,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": 1,
        "learning_rate": 5e-5,
        "num_train_epochs": 1,
        "output_dir": str(folder / "out"),
        "save_strategy": "no",
        "report_to": "none",
        "logging_steps": 1,
        "use_cpu": True,
        "preprocessing_num_workers": 1,
    }
    if step == "dpo":
        settings |= {"pref_beta": 0.1, "pref_loss": "sigmoid", "adapter_name_or_path": str(adapter)}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [str(part) for part in (install() / "bin" / "python", "-P", STEPS, folder / "recipe.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "DISABLE_VERSION_CHECK": "1"})
    if done.returncode == -signal.SIGKILL:
        sys.exit("llamafactory: out of memory")
    if done.returncode:
        sys.exit(f"llamafactory: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    ends = found["ends"]
    return {
        "per_second": batch * (len(ends) - 1) / (ends[-1] - ends[0]),
        "megabytes": found["megabytes"],
    }
