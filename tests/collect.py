"""A corpus as lists, as small ones may be looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from empathic.corpus.rows import Tally
from empathic.dialogues import Dialogue
from empathic.recipe import Method


@dataclass
class Corpus:
    sft: list[dict[str, Any]] = field(default_factory=list)
    preferences: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)


def collect(build: Callable[..., Any], dialogues: Sequence[Dialogue], method: Method, seed: int = 42) -> Corpus:
    """What `build` makes of the train dialogues."""
    tally, found = Tally(), Corpus()
    for made in tally.watch(build(lambda: [d for d in dialogues if d.split == "train"], method, seed)):
        getattr(found, made.part).append(made.row)
    found.counts = tally.counts()
    return found
