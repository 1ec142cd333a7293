"""The stages of a run, in their order."""

from __future__ import annotations

from empathic.pipeline.stage import Stage
from empathic.pipeline.stages import corpus, dialogues, judge, phone, replies, report, teacher, training
from empathic.recipe import Recipe


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """What a run of the recipe does: each of its steps is a stage of its own."""
    return (
        dialogues.STAGE,
        teacher.STAGE,
        corpus.STAGE,
        *(training.stage_of(step) for step in recipe.steps),
        phone.STAGE,
        replies.STAGE,
        judge.STAGE,
        report.STAGE,
    )
