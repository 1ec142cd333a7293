"""What a run would do, before it does anything: the forecasts of its stages."""

from __future__ import annotations

from pathlib import Path

from empathic import files, models
from empathic.pipeline.stage import Forecast
from empathic.pipeline.stages.order import STAGES
from empathic.recipe import Recipe


def plan(recipe: Recipe, folder: Path) -> list[tuple[str, str]]:
    """Lines of (stage, what it would do), from the recipe and its data; writes nothing.

    Raises:
        UserError: what the run itself would refuse at its first stages.
    """
    forecast = Forecast(recipe, folder)
    lines = [(stage.name, stage.forecast(forecast)) for stage in STAGES]
    if absent := [name for name in _models(recipe) if not models.cached(name).exists()]:
        megabytes = sum(models.KNOWN[name].megabytes for name in absent)
        lines.insert(0, ("fetch", f"{', '.join(absent)} ({megabytes} MB, once)"))
    return [(stage, f"kept: {what}" if stage in _done(folder) else what) for stage, what in lines]


def _models(recipe: Recipe) -> list[str]:
    names = [recipe.student.model, *(judge.endpoint.removeprefix("local:") for judge in recipe.judge)]
    return [name for name in names if name in models.KNOWN]


def _done(folder: Path) -> set[str]:
    if not (folder / "manifest.json").exists():
        return set()
    stages = files.read_json(folder / "manifest.json")["stages"]
    return {name for name, stage in stages.items() if stage["status"] == "done"}
