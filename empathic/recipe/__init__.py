"""The recipe: the one YAML that says everything about a run. `empathic recipes` lists the ready ones."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from empathic.errors import UserError
from empathic.recipe import keys
from empathic.recipe import steps as kinds
from empathic.recipe.sections import Corpus, Dialogues, Filters, Judge, Kernels, Method, Phone, Sample, Student, Teacher
from empathic.recipe.steps import BASE, LORA_RANK, AnyStep, Distil, Section, Step

__all__ = [
    "BASE",
    "Corpus",
    "Dialogues",
    "Filters",
    "Judge",
    "Kernels",
    "Method",
    "Recipe",
    "Sample",
    "Student",
    "Teacher",
]
_SAMPLED = 32  # dialogues for references, and for steps between the first and the last, where a recipe doesn't say


class Recipe(Section):
    """Everything about a run."""

    name: str
    dialogues: Dialogues = Dialogues()
    method: Method = Method()
    corpus: Corpus = Corpus()
    strategy: str = Field("lacking-dimension", description="how the improved methods ask the teacher")
    teacher: Teacher = Teacher()
    student: Student = Student()
    steps: list[Step] = Field(
        kinds.DEFAULT, description="trained one after another, each from the adapter of the one before"
    )
    kernels: Kernels = Kernels()
    judge: list[Judge] = Field([Judge()], min_length=1, description="one, or a panel that votes")
    ranker: Judge | None = Field(
        None, description="picks the best of `teacher.best_of` replies, by behaviours alone; null: the first judge"
    )
    reader: str | None = Field(
        None, description="a scorer's folder, as `empathic judge train readings` writes it: the measure `reading`"
    )
    reward_model: str | None = Field(
        None, description="another such folder, which ranks a student's own replies; not one that judges too"
    )
    epitome_scorer: str | None = Field(
        None, description="an EPITOME scorer's folder, as `empathic judge train epitome` writes it: a measure more"
    )
    phone: Phone = Phone()
    sample: Sample = Sample()
    ledger: str | None = Field(None, description="an SQLite file that runs may share; null: ledger.sqlite in the run")
    matrix: dict[str, list[Any]] = Field({}, description="key: values, every combination a run of its own")
    seed: int = 42

    @field_validator("judge")
    @classmethod
    def _named_apart(cls, judges: list[Judge]) -> list[Judge]:
        names = [judge.name for judge in judges]
        if len(set(names)) < len(names):
            raise PydanticCustomError("names", "names must differ")
        return judges

    @field_validator("epitome_scorer")
    @classmethod
    def _from_one_side(cls, scorer: str | None, others: ValidationInfo) -> str | None:
        if scorer and any(judge.levels for judge in others.data.get("judge", ())):
            raise PydanticCustomError("levels", "a judge has levels: true, and so only one can say them; choose")
        return scorer

    @model_validator(mode="before")
    @classmethod
    def _of_this_version(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and (line := keys.renamed(raw)):
            raise PydanticCustomError("renamed", line)
        return raw

    @field_validator("steps", mode="before")
    @classmethod
    def _completed(cls, steps: Any) -> Any:
        return kinds.completed(steps)

    @field_validator("steps")
    @classmethod
    def _trainable(cls, steps: list[AnyStep]) -> list[AnyStep]:
        kinds.checked(steps)
        return steps

    @model_validator(mode="after")
    def _ranked_by_another(self) -> Recipe:
        own = [step.name for step in self.steps if step.learns_from_own]
        if own and not self.reward_model:
            raise PydanticCustomError(
                "renamed", f"reward_model: {own[0]} ranks the student's own replies by one; name a scorer's folder"
            )
        if self.reward_model and self.reader and Path(self.reward_model).resolve() == Path(self.reader).resolve():
            raise PydanticCustomError(
                "renamed", "reward_model: is the reader too, which would judge its own choice; train one a half"
            )
        return self

    @model_validator(mode="after")
    def _of_known_systems(self) -> Recipe:
        if unknown := [name for name in self.sample.systems if name not in self.systems]:
            raise PydanticCustomError(
                "renamed", f"sample.systems: no system is called {unknown[0]!r}; want {', '.join(self.systems)}"
            )
        return self

    @property
    def systems(self) -> tuple[str, ...]:
        """What a run makes and judges: the untuned student, and the student after each step."""
        return (BASE, *(step.name for step in self.steps))

    @property
    def final(self) -> str:
        """The system that ships: the student after the last step."""
        return self.steps[-1].name

    @property
    def lora_rank(self) -> int:
        """The rank of the adapter that all steps train."""
        return self.steps[0].lora_rank or LORA_RANK

    def step(self, name: str) -> AnyStep:
        """A step by its name.

        Raises:
            KeyError: there is none of that name.
        """
        return {step.name: step for step in self.steps}[name]

    @property
    def distillations(self) -> list[Distil]:
        """The steps that have a teacher of their own."""
        return [step for step in self.steps if isinstance(step, Distil)]

    def before(self, name: str) -> str:
        """The system that a step starts from: the step before it, or the untuned student."""
        return self.systems[self.systems.index(name) - 1]

    def label(self, system: str) -> str:
        """What readers call a system; one that a run doesn't make keeps its name."""
        if system == BASE:
            return "before"
        return f"after {self.step(system).label}" if system in self.systems else system

    def sampled(self, system: str) -> int | None:
        """On how many test dialogues a system is judged; None is all of them."""
        between = system not in (BASE, self.final)
        return self.sample.systems.get(system, _SAMPLED if between else None)

    def references(self, there: Collection[str]) -> dict[str, int | None]:
        """Known replies to judge the last step against, by origin, and on how many dialogues; `there` are test's."""
        if self.sample.references is not None:
            return self.sample.references
        taught = () if self.teacher.endpoint else self.method.teachers
        return {origin: _SAMPLED for origin in ("human", *taught) if origin in there}

    def to_yaml(self) -> str:
        """The resolved recipe, defaults filled in."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


def ready() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(resources.files("empathic") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name_or_path: str, overrides: list[str] | None = None) -> Recipe:
    """Load a ready recipe by name, or one from a file, with `key.key=value` overrides.

    Files that a recipe names (dialogues, split, prompts, template, questions) are relative to the recipe.

    Raises:
        UserError: no such recipe, not YAML, an unknown key (the nearest is suggested), or a bad value.
    """
    path = ready().get(name_or_path, Path(name_or_path))
    if not path.is_file():
        close = difflib.get_close_matches(name_or_path, list(ready()), 1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; ready recipes: {', '.join(ready())}"
        raise UserError(f"{name_or_path}: no such recipe or file{hint}")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(raw, dict):
        raise UserError(f"{path}: want keys and values, such as 'name: my-run'")
    for override in overrides or []:
        _set(raw, override)
    if isinstance(raw.get("method"), dict) and isinstance(raw["method"].get("rejected"), str):
        raw["method"]["rejected"] = [raw["method"]["rejected"]]
    try:
        recipe = Recipe.model_validate({"name": path.stem, **raw})
    except ValidationError as error:
        raise UserError(f"{path}: {keys.first_fault(error, Recipe)}") from error
    return _resolve(recipe, path.resolve().parent)


def _set(raw: dict[str, Any], override: str) -> None:
    """Apply one `key.key=value`; the value is read as YAML."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set {override}: want key=value, such as seed=1")
    try:
        keys.place(raw, key, yaml.safe_load(value), f"--set {override}", Recipe)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: the value isn't YAML") from error


def _resolve(recipe: Recipe, folder: Path) -> Recipe:
    """Make paths that exist beside the recipe absolute, so that a run can be resumed from anywhere."""

    def beside(value: str | None) -> str | None:
        return str(folder / value) if value and (folder / value).exists() else value

    return recipe.model_copy(
        update={
            "dialogues": recipe.dialogues.model_copy(
                update={"source": beside(recipe.dialogues.source), "split": beside(recipe.dialogues.split)}
            ),
            "teacher": recipe.teacher.model_copy(
                update={"prompts": {key: beside(path) for key, path in recipe.teacher.prompts.items()}}
            ),
            **{key: beside(getattr(recipe, key)) for key in ("reader", "reward_model", "epitome_scorer")},
            "judge": [judge.model_copy(update={"questions": beside(judge.questions)}) for judge in recipe.judge],
            "ranker": recipe.ranker and recipe.ranker.model_copy(update={"questions": beside(recipe.ranker.questions)}),
            "steps": [
                step.model_copy(update={key: beside(getattr(step, key)) for key in ("teacher", "teacher_prompt")})
                if isinstance(step, Distil)
                else step
                for step in recipe.steps
            ],
            "student": recipe.student.model_copy(
                update={key: beside(getattr(recipe.student, key)) for key in ("model", "prompt", "template")}
            ),
        }
    )
