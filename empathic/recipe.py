"""The recipe: the one YAML that says everything about a run. `empathic recipes` lists the ready ones."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from empathic.errors import UserError

_MEASURES = ("behaviours", "specificity", "agreed", "levels", "pairwise")  # beside judges in the results
_OPPOSED = 32  # dialogues on which students meet known replies, where a recipe doesn't say


Switch = bool | Literal["auto"]  # on, off, or on where it can be


class Section(BaseModel):
    """A part of a recipe: unknown keys are mistakes, values don't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dialogues(Section):
    """Where the dialogues come from and how they are split."""

    source: str = "everyday"
    split: str = Field("own", description="own (the source's) | paper | random | a file of test ids")
    test_share: float = Field(0.125, gt=0, lt=1, description="share of test dialogues in a random split")
    columns: dict[str, str] = Field({}, description="field: column, where a file names them otherwise")


class Method(Section):
    """How replies become a corpus."""

    name: Literal["direct", "human-improved", "llm-improved"] = "direct"
    teachers: list[str] = Field(["targeted"], min_length=1, description="origins of the replies to learn from")
    rejected: list[str] = Field(
        ["human"], min_length=1, description="origins to prefer the teacher to, dialogue by dialogue in turn"
    )
    situations: bool = Field(
        False, description="SFT also on the situation as the message, with the same reply: twice the examples"
    )


class Filters(Section):
    """Which of a live teacher's replies are kept; by default all that could be cleaned."""

    words: list[int] | None = Field(None, min_length=2, max_length=2, description="fewest and most words")
    stock_phrases: bool = Field(True, description="false drops replies that hold a stock phrase")
    relevant: bool = Field(False, description="true drops replies without a content word of their dialogue")
    overlap: float | None = Field(
        None, ge=0, le=1, description="drops replies that share more of their five-word phrases with an earlier one"
    )


class Teacher(Section):
    """The large model that is asked live; without an endpoint its replies are recorded and come with the dialogues."""

    endpoint: str | None = Field(None, description="local:NAME, local:FILE.gguf, or a server's base URL")
    model: str | None = None
    key_env: str | None = Field(None, description="the environment variable that holds the key")
    temperature: float = Field(1.0, ge=0)
    max_tokens: int = Field(256, ge=1)
    prompts: dict[str, str] = Field({}, description="strategy: a file with other words for it")
    best_of: int = Field(1, ge=1, le=16, description="samples a dialogue, of which the judge keeps the best")
    keep: Filters = Filters()
    in_flight: int = Field(32, ge=1, description="requests at a time, at most; fewer where the server slows down")
    timeout: float = Field(60.0, gt=0, description="seconds that an answer may take")
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)
    batch: bool = Field(False, description="ask by OpenAI's Batch API, at half the price, within a day")
    budget: float | None = Field(None, gt=0, description="US dollars that the ledger's answers of this model may cost")
    prices: list[float] | None = Field(
        None, min_length=2, max_length=2, description="US dollars for a million tokens: read, written"
    )


class Student(Section):
    """The small model, what it is told, and how it answers."""

    model: str = "smollm2-135m"
    prompt: str = Field("brief", description="brief | full | a file")
    template: str | None = Field(None, description="a Jinja chat template's file, for models without one")
    max_tokens: int = Field(128, ge=1)
    temperature: float = Field(0.0, ge=0)


class Training(Section):
    """What both steps of training share. Rates and ranks suit a 135M student; recipes say otherwise."""

    epochs: int = Field(2, ge=1)
    learning_rate: float = Field(5e-4, gt=0)
    batch_size: int = Field(8, ge=1)
    passes: int = Field(1, ge=1, description="forward passes that a batch is divided into, where memory is short")
    recompute: bool = Field(
        False, description="compute activations again in the backward pass: less memory, a quarter slower"
    )
    save_steps: int = Field(10, ge=1, description="steps between checkpoints, from which a killed run goes on")


class Sft(Training):
    """Supervised fine-tuning."""

    lora_rank: int = Field(8, ge=1)


class Dpo(Training):
    """Direct preference optimisation on top of the SFT adapter."""

    learning_rate: float = Field(5e-5, gt=0)
    epochs: int = Field(1, ge=1)
    beta: float = Field(0.1, gt=0)
    loss: str | dict[str, float] = Field(
        "sigmoid", description="a loss of TRL's (sigmoid, sigmoid_norm, apo_zero, robust, …), or losses with weights"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="share of pairs taken for mislabelled, for robust")


class Kernels(Section):
    """What makes training cheap without changing it: true, false (as TRL and PEFT run it), or auto (where it can)."""

    prefix_sharing: Switch = Field("auto", description="run once what examples of a batch share")
    lm_head: Switch = Field("auto", description="score labels in one pass over the vocabulary")
    lora: Switch = Field("auto", description="add LoRA's product in place")
    norms: Switch = Field("auto", description="norms and gates in fewer passes over memory")
    matmul: Switch = Field("auto", description="multiply by oneDNN where it is exact")


class Judge(Section):
    """An endpoint that answers questions about replies."""

    name: str = Field("qwen", description="its name in the results")
    endpoint: str = "local:qwen2.5-coder-1.5b"
    model: str | None = None
    key_env: str | None = None
    questions: str | None = Field(None, description="a file of other questions about one reply; null: ours")
    pairwise: bool = Field(False, description="also ask which of two replies is better, in both orders")
    levels: bool = Field(False, description="also ask for EPITOME's levels of three behaviours")


class Phone(Section):
    """The files that ship; the first quant is the one that is judged."""

    quants: list[Literal["q8_0", "f16", "f32"]] = Field(["q8_0"], min_length=1)


class Sample(Section):
    """On how many test dialogues each system is judged; null is all of them."""

    base: int | None = None
    sft: int | None = 32
    dpo: int | None = None
    known: dict[str, int | None] | None = Field(
        None,
        description="known replies to judge the students against, by origin; "
        "null: people's (human) and recorded teachers', 32 each, where test dialogues have them",
    )
    controls: int = 16


class Recipe(Section):
    """Everything about a run."""

    name: str
    dialogues: Dialogues = Dialogues()
    method: Method = Method()
    strategy: str = Field("lacking-dimension", description="how the improved methods ask the teacher")
    teacher: Teacher = Teacher()
    student: Student = Student()
    sft: Sft = Sft()
    dpo: Dpo = Dpo()
    kernels: Kernels = Kernels()
    judge: list[Judge] = Field([Judge()], min_length=1, description="one, or a panel that votes")
    levels: str | None = Field(
        None, description="an EPITOME scorer's folder, as `empathic judge train` writes it: a measure more"
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
        if len({*names, *_MEASURES}) < len(names) + len(_MEASURES):
            raise PydanticCustomError("names", f"names must differ, and from {', '.join(_MEASURES)}")
        return judges

    @field_validator("levels")
    @classmethod
    def _from_one_side(cls, levels: str | None, others: ValidationInfo) -> str | None:
        if levels and any(judge.levels for judge in others.data.get("judge", ())):
            raise PydanticCustomError("levels", "a judge has levels: true, and so only one can say them; choose")
        return levels

    def opponents(self, there: Collection[str]) -> dict[str, int | None]:
        """Known replies to judge the students against, by origin, and on how many dialogues; `there` are test's."""
        if self.sample.known is not None:
            return self.sample.known
        taught = () if self.teacher.endpoint else self.method.teachers
        return {origin: _OPPOSED for origin in ("human", *taught) if origin in there}

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
        raise UserError(f"{path}: {first_fault(error)}") from error
    return _resolve(recipe, path.resolve().parent)


def _set(raw: dict[str, Any], override: str) -> None:
    """Apply one `key.key=value`; the value is read as YAML."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set {override}: want key=value, such as sft.epochs=1")
    try:
        place(raw, key, yaml.safe_load(value), f"--set {override}")
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: the value isn't YAML") from error


def place(raw: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Put a value at a dotted key of a recipe that is not yet checked; `where` names the mistake if there is one.

    Raises:
        UserError: a parent that has no keys of its own.
    """
    *parents, leaf = key.split(".")
    for parent in parents:
        raw = raw.setdefault(parent, {})
        if not isinstance(raw, dict):
            raise UserError(f"{where}: {parent} has no keys of its own")
    raw[leaf] = value


def first_fault(error: ValidationError) -> str:
    """The first fault of a recipe in one line, with the nearest known key where one is unknown."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] != "extra_forbidden":
        return f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]} (got {fault['input']!r})"
    section: Any = Recipe
    for part in fault["loc"][:-1]:
        if isinstance(part, str):
            section = section.model_fields[part].annotation
            section = getattr(section, "__args__", (section,))[0]
    known = list(section.model_fields)
    close = difflib.get_close_matches(str(fault["loc"][-1]), known, 1)
    return f"{where}: unknown key; " + (f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}")


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
            "levels": beside(recipe.levels),
            "judge": [judge.model_copy(update={"questions": beside(judge.questions)}) for judge in recipe.judge],
            "student": recipe.student.model_copy(
                update={key: beside(getattr(recipe.student, key)) for key in ("model", "prompt", "template")}
            ),
        }
    )
