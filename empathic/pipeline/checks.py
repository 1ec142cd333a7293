"""What a recipe names, looked at before any work: an hour of training shows no typing mistake sooner."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from empathic import files, models
from empathic.dialogues import sources, split
from empathic.endpoints.open import local_name
from empathic.errors import UserError
from empathic.judge import classifier
from empathic.judge.measures import behaviours, epitome, reader, registry
from empathic.phone import convertible
from empathic.recipe import Recipe
from empathic.student import distil_teacher, engine, load, prompt
from empathic.teacher import live


def check_files(recipe: Recipe, fetch: bool = True) -> str:
    """Refuse a recipe that names a file which isn't there or isn't what it should be, or a student that won't do.

    Args:
        recipe: what to look at.
        fetch: whether the hub may be asked for a student that is known and not here.

    Returns:
        What is done for the student's chat template, in words; "" where nothing has to be.

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
    engine.check(recipe.student)
    for step in recipe.distillations:
        distil_teacher.find(step, recipe)
        prompt.instruction(step.teacher_prompt, step.key("teacher_prompt"))
    if recipe.teacher.endpoint:
        live.strategies_of(recipe)
    registry.check(recipe.judge)
    judges = [*recipe.judge, *([recipe.ranker] if recipe.ranker else [])]
    for judge in judges:
        behaviours.questions(judge.questions)
    for key, where in (*(("judge", judge.endpoint) for judge in judges), ("teacher", recipe.teacher.endpoint or "")):
        if (name := local_name(where)) is not None:
            _check_local(name, f"{key}.endpoint")
    for key, folder, heads in (
        ("reader", recipe.reader, reader.HEADS),
        ("reward_model", recipe.reward_model, reader.HEADS),
        ("epitome_scorer", recipe.epitome_scorer, epitome.HEADS),
    ):
        if folder:
            _check_scorer(key, Path(folder), heads)
    return check_student(recipe, fetch)


def check_student(recipe: Recipe, fetch: bool = True) -> str:
    """Refuse a student that can't be loaded, asked or exported; its weights stay where they are.

    A known model that isn't here yet is what its hash says, and is looked at once it was fetched.

    Args:
        recipe: whose student it is.
        fetch: as `check_files` has it.

    Returns:
        What is done for its chat template, or to be done to get it, in words.

    Raises:
        UserError: says what is wrong with it.
    """
    name, template = recipe.student.model, recipe.student.template
    if name in models.KNOWN and not (template and models.cached(name).exists()):
        return ""
    if not fetch and (hub := models.on_hub(name)) and not load.is_here(name):
        return hub.about
    return _looked_at(name, template, template and prompt.template_key(template))


@lru_cache
def _looked_at(name: str, template: str | None, key: str | None) -> str:
    """Once a process for a student and the template's text (`key`), whatever the number of runs."""
    config = load.load_config(name)
    load.check_weights(name)
    tokenizer, done = load.load_tokenizer(name, template)
    convertible.check(name, config, tokenizer)
    return ", ".join(done)


def _check_local(name: str, key: str) -> None:
    if name in models.KNOWN:
        return
    try:
        models.gguf(name)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error


def _check_scorer(key: str, folder: Path, heads: Mapping[str, int]) -> None:
    """A scorer, and the base that it was trained on."""
    try:
        base = str(classifier.check(folder, heads)["base_model"])
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    if base in models.KNOWN:
        return
    try:
        load.load_config(base, key)
    except UserError as error:
        raise UserError(
            f"{key}: {folder}: a scorer on {base}, which isn't there; put it back, or train the scorer anew"
        ) from error
