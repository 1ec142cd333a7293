"""Who teaches a distillation step: a larger student with the same tokens, found, checked and loaded."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic import models
from empathic.errors import UserError
from empathic.recipe import BASE, Recipe
from empathic.recipe.steps import Distil
from empathic.run import Run, has_manifest
from empathic.student import examples, load, placement, prompt

_NO_TOKEN = re.compile(r"\[PAD\d+\]")  # so llama.cpp names rows of a head that no token has
_PROBE = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Yes"}]


@dataclass(frozen=True)
class Teacher:
    """A base and its chat template, as `load_student` takes them, and the PEFT adapter on it, if there is one."""

    model: str
    template: str | None
    adapter: Path | None


def find(step: Distil, recipe: Recipe) -> Teacher:
    """Whom a step's `teacher` names.

    A run's student is asked under the template that it was trained with, any other teacher under the student's.

    Raises:
        UserError: nobody, a step that its run doesn't have or didn't train yet, or an adapter whose base isn't there.
    """
    folder, key = Path(step.teacher), step.key("teacher")
    if has_manifest(folder):
        return _of_run(step, Run.open(folder))
    if step.teacher_step:
        raise UserError(f"{step.key('teacher_step')}: {step.teacher} is no run's folder; leave teacher_step out")
    if (folder / "adapter_config.json").exists() and (base := load.adapter_base(step.teacher, key)):
        _known(base, f"{key}: the base of {folder}")
        return Teacher(base, recipe.student.template, folder)
    _known(step.teacher, key)
    return Teacher(step.teacher, recipe.student.template, None)


def _of_run(step: Distil, run: Run) -> Teacher:
    name = step.teacher_step or run.recipe.final
    if name not in run.systems:
        raise UserError(
            f"steps.{step.name}.teacher_step: {run.folder} has no step {name!r}; want {', '.join(run.systems[1:])}"
        )
    adapter = None if name == BASE else run.adapter(name)
    if adapter and not (adapter / "adapter_config.json").exists():
        trained = [one.name for one in run.recipe.steps if run.adapter(one.name).is_dir()]
        raise UserError(
            f"{step.key('teacher')}: {name!r} of {run.folder} isn't trained yet; go on with that run"
            + (f", or set teacher_step: {trained[-1]}" if trained else "")
        )
    return Teacher(run.student.model, run.student.template, adapter)


def _known(name: str, key: str) -> None:
    """Refuse what can't be a model: neither known nor there, and not spelled as a Hugging Face id.

    What is spelled as one and can't be had is refused once its tokens are wanted, before any training.
    """
    path = Path(name)
    if name in models.KNOWN or (path / "config.json").exists() or re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return
    if models.is_file(name):
        models.gguf(name)
        return
    close = difflib.get_close_matches(name, list(models.KNOWN), 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(models.KNOWN)}"
    what = "holds no model, adapter or run" if path.is_dir() else "no such model, folder or run"
    raise UserError(f"{key}: {name}: {what}; {hint}")


def check_tokens(recipe: Recipe) -> None:
    """Refuse teachers whose tokens aren't the student's, or who end a reply otherwise: there is nothing to compare.

    Fetches what is not there yet, and reads no weights.

    Raises:
        UserError: says how many tokens differ, and one of them.
    """
    for step in recipe.distillations:
        of = find(step, recipe)
        student = load.load_tokenizer(recipe.student.model, recipe.student.template)[0]
        teacher = load.load_tokenizer(of.model, of.template, step.key("teacher"))[0]
        ours, theirs = _tokens(student), _tokens(teacher)
        differ = sorted(place for place in ours.keys() | theirs.keys() if ours.get(place) != theirs.get(place))
        if differ:
            place = differ[0]
            raise UserError(
                f"{step.key('teacher')}: {step.teacher} has other tokens than {recipe.student.model}: {len(differ)} of "
                f"{max(len(ours), len(theirs))} differ, such as number {place}: {theirs.get(place, 'none')!r} and "
                f"the student's {ours.get(place, 'none')!r}; choose a teacher of the student's family"
            )
        if (ends := reply_ids(teacher, _PROBE)) != (wanted := reply_ids(student, _PROBE)):
            raise UserError(
                f"{step.key('teacher')}: {step.teacher} writes a reply as {teacher.decode(ends)!r} and the student as "
                f"{student.decode(wanted)!r}; give both one chat template"
            )


def _tokens(tokenizer: Any) -> dict[int, str]:
    return {place: token for token, place in tokenizer.get_vocab().items() if not _NO_TOKEN.fullmatch(token)}


def reply_ids(tokenizer: Any, told: list[prompt.Message]) -> list[int]:
    """The tokens of the reply that ends a conversation, the one that ends it among them and none after it.

    Raises:
        UserError: a chat template that changes what was said before once a reply follows.
    """
    ids = examples.reply_ids(tokenizer, told[:-1], told[-1:])
    return ids[: ids.index(tokenizer.eos_token_id) + 1] if tokenizer.eos_token_id in ids else ids


def open_teacher(step: Distil, recipe: Recipe) -> tuple[Any, Any]:
    """The teacher with its adapter merged, frozen, and its tokenizer, in the type that the student has."""
    of = find(step, recipe)
    model, tokenizer = load.merged(of.model, of.template, of.adapter, step.key("teacher"))
    placed = placement.of(recipe.student)
    return model.to(placed.torch_dtype).eval().requires_grad_(False), tokenizer
