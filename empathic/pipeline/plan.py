"""What a run would do, before it does anything: the forecasts of its stages."""

from __future__ import annotations

from pathlib import Path

from empathic import models
from empathic.judge import recipe_models
from empathic.pipeline import needs
from empathic.pipeline.checks import check_files
from empathic.pipeline.stage import Forecast
from empathic.pipeline.stages.order import stages_of
from empathic.recipe import Recipe
from empathic.run import read_manifest
from empathic.student import lengths


def plan(recipe: Recipe, folder: Path) -> list[tuple[str, str]]:
    """Lines of (stage, what it would do), from the recipe and its data; writes nothing.

    Raises:
        UserError: what the run itself would refuse at its first stages.
    """
    told = check_files(recipe, fetch=False)
    forecast = Forecast(recipe, folder)
    lines = [(stage.name, stage.forecast(forecast)) for stage in stages_of(recipe)]
    if bill := needs.bill(forecast):
        lines.append(("training", bill))
    train = [(d.id, d.utterance, "") for d in forecast.train]
    lengths.check(recipe.student, train, [(d.id, d.utterance) for d in forecast.tests], fetch=False)
    lengths.check_teachers(recipe, [(d.id, d.utterance, d.emotion) for d in forecast.train], fetch=False)
    if told:
        lines.insert(0, ("student", told))
    if absent := models.absent(recipe_models.models_of(recipe)):
        megabytes = sum(models.KNOWN[name].megabytes for name in absent)
        lines.insert(0, ("fetch", f"{', '.join(absent)} ({megabytes} MB, once)"))
    done = _done(folder)
    return [(stage, f"kept: {what}" if stage in done else what) for stage, what in lines]


def _done(folder: Path) -> set[str]:
    manifest = read_manifest(folder)
    return {name for name, stage in manifest.stages.items() if stage.status == "done"} if manifest else set()
