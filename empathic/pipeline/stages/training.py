"""The training stages, one a step of the recipe, each from the adapter of the one before."""

from __future__ import annotations

import math
from pathlib import Path

from empathic.pipeline import needs as needed
from empathic.pipeline.fitting import check_lengths
from empathic.pipeline.stage import PLACEMENT, STUDENT_KEYS, Forecast, Stage
from empathic.recipe.steps import AnyStep, Distil
from empathic.run import Row, Run
from empathic.student import distil_teacher


def stage_of(step: AnyStep) -> Stage:
    """The stage that trains a step."""
    name = step.name

    def forecast(of: Forecast) -> str:
        rows = of.corpus.get(name, of.corpus[step.part])
        steps = step.epochs * math.ceil(min(rows, step.examples or rows) / step.batch_size)
        start = of.recipe.student.model if name == of.recipe.steps[0].name else of.recipe.before(name)
        of_whom = f", taught by {step.teacher}" if isinstance(step, Distil) else ""
        needs = needed.told(of, step, rows)
        return f"{steps} steps on {start}{of_whom}{f'; {needs}' if needs else ''}"

    return Stage(
        name,
        about=step.about,
        keys=(*STUDENT_KEYS, *PLACEMENT, "student.prompt", f"steps.{name}", "seed"),
        inputs=lambda run: [
            run.lessons(step),
            *([start] if (start := run.start(name)) else []),
            *(_taught_by(step, run) if isinstance(step, Distil) else []),
        ],
        outputs=lambda run: [run.adapter(name), run.history(name)],
        work=lambda run: _trained(step, run),
        forecast=forecast,
        partial=lambda run: [run.checkpoints(name)],
    )


def _taught_by(step: Distil, run: Run) -> list[Path]:
    """The teacher's adapter and the text that it is told, where they are files; a model is known by its name."""
    adapter, told = distil_teacher.find(step, run.recipe).adapter, run.teacher_prompt(step)
    return [*([adapter] if adapter else []), *([told] if told.exists() else [])]


def _trained(step: AnyStep, run: Run) -> Row:
    """Train a step, here or in several processes, and return its figures."""
    from empathic.student import launch, training
    from empathic.student.lessons import Lessons

    name, display = step.name, run.display
    check_lengths(run)
    needed.check(run, step)
    if run.processes > 1:
        result = launch.train(name, run, display.step, display.note)
    else:
        rows = Lessons(run.lessons(step))
        start, out = run.start(name), run.adapter(name)
        result = training.train_step(name, rows, run.trained, start, out, display.step, display.note)
    return {key: value for key, value in result.items() if key != "history"}
