"""Parts for tests of distillation: replies to go through, and recipes with a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from empathic.recipe import Recipe, load_recipe

_SAID = ("the roof leaks", "we won, we won!", "nobody came", "my bread rose at last", "I sold the boat", "my hat")
_REPLIES = ("A leak right over you.", "Won at last!", "All those chairs.", "Warm bread!", "The boat, sold.", "")
ROWS: list[dict[str, Any]] = [
    {
        "id": str(i),
        "emotion": "sad" if i % 2 == 0 else "",
        "own": True,
        "prompt": [{"role": "user", "content": said}],
        "completion": [{"role": "assistant", "content": reply}],
    }
    for i, (said, reply) in enumerate(zip(_SAID, _REPLIES, strict=True))
]


def recipe_of(student: Path, teacher: Path | str, *changes: str) -> Recipe:
    """The demo's recipe with a distillation as its only step."""
    step = f"{{name: distil, teacher: {teacher}, batch_size: 2, learning_rate: 1.0e-2}}"
    return load_recipe("demo", [f"student.model={student}", "sample={}", f"steps=[{step}]", *changes])
