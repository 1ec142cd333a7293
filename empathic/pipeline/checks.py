"""The files that a recipe names, looked at before any work: an hour of training shows no typing mistake sooner."""

from __future__ import annotations

from pathlib import Path

from empathic import files
from empathic.dialogues import sources, split
from empathic.judge import classifier
from empathic.judge.measures import behaviours, epitome, reader, registry
from empathic.recipe import Recipe
from empathic.student import distil_teacher, prompt
from empathic.teacher import live


def check_files(recipe: Recipe) -> None:
    """Refuse a recipe that names a file which isn't there or isn't what it should be.

    Raises:
        UserError: names the file, the key and what it wants.
    """
    for path in sources.files_of(recipe.dialogues):
        files.check_readable(path, "dialogues.source", sources.WANTED)
    if recipe.dialogues.split not in split.NAMES:
        files.check_readable(Path(recipe.dialogues.split), "dialogues.split", split.WANTED)
    prompt.instruction(recipe.student.prompt)
    if recipe.student.template:
        prompt.template(recipe.student.template)
    for step in recipe.distillations:
        distil_teacher.find(step, recipe)
        prompt.instruction(step.teacher_prompt, step.key("teacher_prompt"))
    if recipe.teacher.endpoint:
        live.strategies_of(recipe)
    registry.check(recipe.judge)
    for judge in (*recipe.judge, *([recipe.ranker] if recipe.ranker else [])):
        behaviours.questions(judge.questions)
    for folder, heads in (
        (recipe.reader, reader.HEADS),
        (recipe.reward_model, reader.HEADS),
        (recipe.epitome_scorer, epitome.HEADS),
    ):
        if folder:
            classifier.check(Path(folder), heads)
