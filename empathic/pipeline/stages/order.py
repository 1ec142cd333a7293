"""The stages of a run, in their order."""

from __future__ import annotations

from collections.abc import Iterator

from empathic.pipeline.stage import Stage
from empathic.pipeline.stages import (
    corpus,
    dialogues,
    distil_replies,
    judge,
    own_pairs,
    phone,
    replies,
    report,
    teacher,
    training,
)
from empathic.recipe import Recipe
from empathic.recipe.steps import AnyStep, Distil, Dpo


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """What a run of the recipe does: each of its steps is a stage of its own."""
    return (
        dialogues.STAGE,
        teacher.STAGE,
        corpus.STAGE,
        *(stage for step in recipe.steps for stage in _training(step)),
        phone.STAGE,
        replies.STAGE,
        judge.STAGE,
        report.STAGE,
    )


def _training(step: AnyStep) -> Iterator[Stage]:
    """A step's own stage, after the one that makes what it learns from where the corpus doesn't hold it."""
    if isinstance(step, Distil):
        yield distil_replies.stage_of(step)
    if isinstance(step, Dpo) and step.learns_from_own:
        yield own_pairs.stage_of(step)
    yield training.stage_of(step)
