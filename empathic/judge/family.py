"""Judges and teachers of one family: models favour what sounds like themselves, so a reader must know.

Panickssery, Bowman and Feng (2024, arXiv 2404.13076) measure the preference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from empathic.recipe import Judge, Recipe

_FAMILIES = {  # family: what a model's name holds
    "GPT": r"gpt|\bo[134]\b|openai",
    "Claude": r"claude|anthropic",
    "Gemini": r"gemini|gemma|palm|google",
    "Llama": r"llama(?!\.cpp)|vicuna|alpaca",
    "Mistral": r"mi[sx]tral|ministral",
    "Qwen": r"qwen|qwq",
    "DeepSeek": r"deepseek",
    "SmolLM": r"smollm",
}


def family(model: str) -> str | None:
    """The family that a model's name tells, if it does; a path or an address tells by its last part."""
    name = model.rstrip("/").rsplit("/", 1)[-1].lower()
    return next((found for found, holds in _FAMILIES.items() if re.search(holds, name)), None)


def teachers(recipe: Recipe) -> list[str]:
    """Who teaches in a recipe: the model that is asked, or those whose replies are on record."""
    teacher = recipe.teacher
    return [teacher.model or teacher.endpoint] if teacher.endpoint else recipe.method.teachers


def related(judges: Iterable[Judge], teachers: Iterable[str]) -> list[dict[str, str]]:
    """Judges that are of a teacher's family: rows `judge, teacher, family`."""
    named = list(teachers)
    return [
        {"judge": judge.name, "teacher": name, "family": of}
        for judge in judges
        for name in named
        if (of := family(judge.model or judge.endpoint)) and of == family(name)
    ]


def warnings(related: Iterable[dict[str, str]]) -> list[str]:
    """What a reader is told of each row of `related`."""
    return [
        f"the judge {row['judge']} and the teacher {row['teacher']} are both {row['family']} models, "
        "and models favour what sounds like themselves"
        for row in related
    ]
