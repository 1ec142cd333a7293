"""The models that a recipe's run loads or serves on this machine, wherever the recipe names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from empathic import files, models
from empathic.endpoints.open import local_name
from empathic.errors import UserError
from empathic.judge import classifier
from empathic.recipe import Recipe
from empathic.recipe.sections import Judge
from empathic.student import distil_teacher, load


def models_of(recipe: Recipe) -> list[str]:
    """The known models among them, each once: what has to be fetched where it isn't there."""
    return list(dict.fromkeys(name for name in _named(recipe) if name in models.KNOWN))


def judges_of(recipe: Recipe) -> list[Judge]:
    """The judges that are asked: a ranker among them where a teacher's replies are chosen from several."""
    return [*recipe.judge, *([recipe.ranker] if recipe.ranker and recipe.teacher.best_of > 1 else [])]


def base_of(name: str, key: str = "student.model") -> str:
    """The whole model under a name: itself, or the base of an adapter's folder, down to the last.

    Raises:
        UserError: an adapter that names no base, or that is its own.
    """
    seen = {name}
    while Path(name).is_dir() and (base := load.adapter_base(name, key)):
        if base in seen:
            raise UserError(f"{key}: {name} is an adapter on itself; name its base in adapter_config.json")
        seen.add(name := base)
    return name


def _named(recipe: Recipe) -> Iterator[str]:
    """Every model; what is broken is left out here, and told by the checks of its own key."""
    with suppress(UserError):
        yield base_of(recipe.student.model)
    for step in recipe.distillations:
        with suppress(UserError):
            yield base_of(distil_teacher.find(step, recipe).model, step.key("teacher"))
    for where in (recipe.teacher.endpoint or "", *(judge.endpoint for judge in judges_of(recipe))):
        yield local_name(where) or ""
    for folder in (recipe.reader, recipe.reward_model, recipe.epitome_scorer):
        if folder:
            with suppress(UserError):
                yield str(files.read_json(Path(folder) / classifier.ABOUT).get("base_model", ""))
