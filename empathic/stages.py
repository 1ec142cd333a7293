"""The stages of a run in their order: what each reads, what it writes, and when it is out of date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic import files, work
from empathic.dialogues import load
from empathic.workspace import Row, Run


def value_at(recipe: Row, key: str) -> Any:
    """The value of a dotted key."""
    for part in key.split("."):
        recipe = recipe[part]
    return recipe


@dataclass(frozen=True)
class Stage:
    """One stage: the recipe keys and the files that determine what it writes, and the work itself.

    `work` returns facts for the manifest. `partial` names what a killed attempt leaves behind.
    """

    name: str
    keys: tuple[str, ...]
    inputs: Callable[[Run], list[Path]]
    outputs: tuple[str, ...]
    work: Callable[[Run], Row]
    partial: tuple[str, ...] = ()

    def wants(self, run: Run) -> Row:
        """What the stage's outputs depend on: recipe values and hashes of inputs."""
        values = {key: value_at(run.recipe.model_dump(), key) for key in self.keys}
        names = {
            p: str(p.relative_to(run.folder)) if p.is_relative_to(run.folder) else p.name for p in self.inputs(run)
        }
        return {"recipe": values, "inputs": {name: files.sha256(path) for path, name in names.items()}}


_TEACHER = (
    "strategy",
    "seed",
    *(f"teacher.{key}" for key in ("endpoint", "model", "temperature", "max_tokens", "prompts", "best_of", "keep")),
)
_STUDENT = ("student.model", "student.template")
_REPLIES = ("base.jsonl", "sft.jsonl", "dpo.jsonl")

STAGES = (
    Stage(
        "dialogues",
        ("dialogues", "seed"),
        lambda run: load.files_of(run.recipe.dialogues),
        ("dialogues.jsonl",),
        work.dialogues,
    ),
    Stage(
        "teacher",
        ("method", *_TEACHER),
        lambda run: [run.path("dialogues.jsonl"), *map(Path, run.recipe.teacher.prompts.values())],
        ("teacher.jsonl",),
        work.teacher,
        ("teacher.part.jsonl", "teacher.before.jsonl"),
    ),
    Stage(
        "corpus",
        ("method", "teacher.endpoint", "seed"),
        lambda run: [run.path("dialogues.jsonl"), run.path("teacher.jsonl")],
        ("corpus/sft.jsonl", "corpus/preferences.jsonl"),
        work.corpus,
    ),
    Stage(
        "sft",
        (*_STUDENT, "student.prompt", "sft", "seed"),
        lambda run: [run.path("corpus", "sft.jsonl")],
        ("student/sft", "student/sft.json"),
        work.sft,
        ("student/.sft-checkpoints",),
    ),
    Stage(
        "dpo",
        (*_STUDENT, "student.prompt", "dpo", "seed"),
        lambda run: [run.path("corpus", "preferences.jsonl"), run.path("student", "sft")],
        ("student/dpo", "student/dpo.json"),
        work.dpo,
        ("student/.dpo-checkpoints",),
    ),
    Stage(
        "phone",
        (*_STUDENT, "student.prompt", "phone"),
        lambda run: [run.path("student", "sft"), run.path("student", "dpo"), run.path("dialogues.jsonl")],
        ("phone/parity.json",),
        work.phone,
    ),
    Stage(
        "replies",
        (
            "student.prompt",
            "student.max_tokens",
            "student.temperature",
            "sample.base",
            "sample.sft",
            "sample.dpo",
            "seed",
        ),
        lambda run: [run.path("dialogues.jsonl"), *(run.gguf(system) for system in ("base", "sft", "dpo"))],
        tuple(f"replies/{name}" for name in _REPLIES),
        work.replies,
    ),
    Stage(
        "judge",
        (*_STUDENT, "student.prompt", "method.teachers", "judge", "levels", "sample", "seed"),
        lambda run: [
            run.path("dialogues.jsonl"),
            *(run.path("replies", name) for name in _REPLIES),
            *(Path(judge.questions) for judge in run.recipe.judge if judge.questions),
            *([Path(run.recipe.levels)] if run.recipe.levels else []),
        ],
        ("verdicts",),
        work.judge,
    ),
    Stage(
        "report",
        (),
        lambda run: [
            run.path("recipe.yaml"),
            *(run.path("replies", name) for name in _REPLIES),
            run.path("verdicts"),
        ],
        ("summary.json", "report.html", "tables"),
        work.report,
    ),
)
