"""Keys of a recipe: dotted ones, ones that were renamed, and the fault that a wrong one is."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from empathic.errors import UserError
from empathic.recipe.steps import BASE, KINDS

Raw = dict[str, Any]
_STEPS = "steps"
_RENAMED = {  # of sections and of the recipe itself
    **{kind: f"{_STEPS}, such as steps: [{{name: {kind}, epochs: 1}}]" for kind in KINDS},
    "levels": "epitome_scorer",
    "teacher.keep": "teacher.filters",
    "teacher.in_flight": "teacher.max_connections",
    "sample.known": "sample.references",
    **{f"sample.{system}": f"sample.systems.{system}" for system in (BASE, *KINDS)},
}
_RENAMED_OF_STEPS = {"passes": "gradient_accumulation_steps", "recompute": "gradient_checkpointing"}


def renamed(raw: Raw) -> str | None:
    """What to write for the first key of an earlier version; None where there is none."""
    for old, new in _RENAMED.items():
        section, _, key = old.rpartition(".")
        within = raw.get(section) if section else raw
        if isinstance(within, dict) and key in within:
            return f"{old}: this key is now {new}"
    steps = raw.get(_STEPS)
    for i, step in enumerate(steps if isinstance(steps, list) else ()):
        for old, new in _RENAMED_OF_STEPS.items():
            if isinstance(step, dict) and old in step:
                where = f"{_STEPS}.{step.get('name', step.get('kind', i))}"
                return f"{where}.{old}: this key is now {where}.{new}"
    return None


def value_at(recipe: Any, key: str) -> Any:
    """The value of a dotted key; an item of a list goes by its number or its name."""
    for part in key.split("."):
        recipe = recipe[_position(recipe, part)] if isinstance(recipe, list) else recipe[part]
    return recipe


def place(raw: Raw, key: str, value: Any, where: str, of: type[BaseModel]) -> None:
    """Put a value at a dotted key of a recipe that is not yet checked.

    Args:
        raw: the recipe, changed in place.
        key: names or numbers of items of lists may stand in it: `steps.0.epochs`, `steps.sft.epochs`.
        value: what to put there.
        where: names the mistake if there is one.
        of: the recipe's model, whose default a list takes that `raw` doesn't have.

    Raises:
        UserError: a parent that has no keys of its own, or a list that has no such item.
    """
    *parents, leaf = key.split(".")
    at: Any = raw
    for number, parent in enumerate(parents):
        if isinstance(at, list):
            at = at[_item(at, parent, parents[number - 1], where)]
        else:
            at = at.setdefault(parent, _default(of, parent) if at is raw else {})
        if not isinstance(at, dict | list):
            raise UserError(f"{where}: {parent} has no keys of its own")
    if isinstance(at, list):
        at[_item(at, leaf, parents[-1], where)] = value
    else:
        at[leaf] = value


def _default(of: type[BaseModel], key: str) -> Any:
    """What a key that a recipe leaves out stands for, as far as it has items to choose one of."""
    default = of.model_fields[key].get_default() if key in of.model_fields else None
    return [item.model_dump() for item in default] if isinstance(default, list) else {}


def _names(items: list[Any]) -> list[str]:
    return [str(item.get("name", item.get("kind"))) if isinstance(item, dict) else "" for item in items]


def _position(items: list[Any], part: str) -> int:
    """The place of an item by its name or number.

    Raises:
        ValueError: there is no such item.
    """
    names = _names(items)
    if part in names:
        return names.index(part)
    if not part.isdecimal() or int(part) >= len(items):
        raise ValueError(part)
    return int(part)


def _item(items: list[Any], part: str, of: str, where: str) -> int:
    try:
        return _position(items, part)
    except ValueError as error:
        there = ", ".join([*filter(None, _names(items)), f"or a number below {len(items)}"])
        raise UserError(f"{where}: {of} has no item {part!r}; want {there}") from error


def first_fault(error: ValidationError, of: type[BaseModel]) -> str:
    """The first fault of a recipe in one line, with the nearest known key where one is unknown."""
    fault = error.errors()[0]
    loc = [part for i, part in enumerate(fault["loc"]) if not _is_tag(fault["loc"], i)]
    where = ".".join(map(str, loc))
    if fault["type"] == "renamed":
        return str(fault["msg"])
    if fault["type"] == "steps":
        return f"{_STEPS}: {fault['msg']}"
    if fault["type"] != "extra_forbidden":
        return f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]} (got {fault['input']!r})"
    section: Any = of
    for part in fault["loc"][:-1]:
        if isinstance(part, str):
            section = KINDS[part] if part in KINDS else _section(section.model_fields[part].annotation)
    known = list(section.model_fields)
    close = difflib.get_close_matches(str(fault["loc"][-1]), known, 1)
    return f"{where}: unknown key; " + (f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}")


def _is_tag(loc: tuple[int | str, ...], i: int) -> bool:
    """Whether a part of a fault's place is a step's kind, by which pydantic told which model it is."""
    return i == 2 and loc[0] == _STEPS and loc[i] in KINDS


def _section(kind: Any) -> Any:
    """The model behind an annotation; that of a list's items where it is a list."""
    while not isinstance(kind, type) and get_args(kind):
        kind = get_args(kind)[0]
    return kind
