"""The rubric: what readers are told, its version, and the four grades that they give."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

LEVELS = ("understood", "feeling", "sense")  # each 0 to 2
NAMES = (*LEVELS, "send")
_SEND = {"y": True, "yes": True, "n": False, "no": False}


@dataclass(frozen=True)
class Grades:
    """What a reader gave one reply: three levels of 0 to 2, and whether to send it."""

    understood: int
    feeling: int
    sense: int
    send: bool


def prompt(name: str) -> str:
    """One of the texts in `prompts/`."""
    return (resources.files("empathic.reading") / "prompts" / f"{name}.txt").read_text(encoding="utf-8")


@cache
def version() -> str:
    """The rubric's version, which its first line names."""
    found = re.match(r".*, version (\S+)\n", prompt("rubric"))
    assert found, "the rubric's first line names its version"
    return found[1]


def grades(given: Sequence[object]) -> Grades:
    """Four grades from their words or values, in the order of `NAMES`.

    Raises:
        ValueError: another number of them, or one out of range; says which.
    """
    if len(given) != len(NAMES):
        raise ValueError(f"want four grades ({' '.join(NAMES)}), got {len(given)}")
    levels = []
    for name, value in zip(LEVELS, given, strict=False):
        if isinstance(value, bool) or str(value) not in ("0", "1", "2"):
            raise ValueError(f"{name} is {value!r}; want 0, 1 or 2")
        levels.append(int(str(value)))
    send = given[-1] if isinstance(given[-1], bool) else _SEND.get(str(given[-1]).lower())
    if send is None:
        raise ValueError(f"send is {given[-1]!r}; want y or n")
    understood, feeling, sense = levels
    return Grades(understood, feeling, sense, send)
