"""The training stages: SFT, then DPO from its adapter on."""

from __future__ import annotations

import math

from empathic.pipeline.stage import STUDENT_KEYS, Forecast, Stage
from empathic.run import Row, Run


def sft(run: Run) -> Row:
    """Train the first step."""
    return _trained("sft", run)


def dpo(run: Run) -> Row:
    """Train the second step, from the first."""
    return _trained("dpo", run)


def _trained(step: str, run: Run) -> Row:
    """Train a step, here or in several processes, and return its figures."""
    from empathic.student import launch, training

    display, out = run.display, run.path("student", step)
    if run.processes > 1:
        result = launch.train(step, run.folder, run.processes, display.step, display.note)
    elif step == "sft":
        result = training.sft(run.rows("corpus", "sft.jsonl"), run.recipe, out, display.step, display.note)
    else:
        pairs, adapter = run.rows("corpus", "preferences.jsonl"), run.path("student", "sft")
        result = training.dpo(pairs, run.recipe, adapter, out, display.step, display.note)
    return {key: value for key, value in result.items() if key != "history"}


def forecast_sft(of: Forecast) -> str:
    """How many steps the first would take, and with which student."""
    sft = of.recipe.sft
    return f"{sft.epochs * math.ceil(of.corpus['sft'] / sft.batch_size)} steps on {of.recipe.student.model}"


def forecast_dpo(of: Forecast) -> str:
    """How many steps the second would take."""
    dpo = of.recipe.dpo
    return f"{dpo.epochs * math.ceil(of.corpus['preferences'] / dpo.batch_size)} steps"


SFT = Stage(
    "sft",
    keys=(*STUDENT_KEYS, "student.prompt", "sft", "seed"),
    inputs=lambda run: [run.path("corpus", "sft.jsonl")],
    outputs=("student/sft", "student/sft.json"),
    work=sft,
    forecast=forecast_sft,
    partial=("student/.sft-checkpoints",),
)
DPO = Stage(
    "dpo",
    keys=(*STUDENT_KEYS, "student.prompt", "dpo", "seed"),
    inputs=lambda run: [run.path("corpus", "preferences.jsonl"), run.path("student", "sft")],
    outputs=("student/dpo", "student/dpo.json"),
    work=dpo,
    forecast=forecast_dpo,
    partial=("student/.dpo-checkpoints",),
)
