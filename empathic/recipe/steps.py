"""The training steps of a recipe, and the systems that follow from them.

The names of kinds, and of the untuned student, stand here and in no other module: all else reads them from the recipe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from empathic import models

BASE: Final = "base"  # the system that is the untuned student
EXAMPLES: Final = "sft"  # parts of a corpus, each the file of its name
PREFERENCES: Final = "preferences"
CorpusPart = Literal["sft", "preferences"]
PARTS: tuple[CorpusPart, ...] = (EXAMPLES, PREFERENCES)
LORA_RANK = 8  # where a recipe names none
LOSSES = ("sigmoid", "sigmoid_norm", "hinge", "ipo", "robust", "apo_zero", "apo_down", "sppo_hard", "nca_pair", "sft")
# Names that a run's folder, its manifest and its verdicts already use.
_TAKEN = ("dialogues", "teacher", "corpus", "phone", "replies", "judge", "report", "stock", "control")
_SAFE = re.compile(r"(?=.*[a-z_-])[a-z0-9][a-z0-9_-]{0,39}", re.IGNORECASE)


class Section(BaseModel):
    """A part of a recipe: unknown keys are mistakes, values don't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Training(Section):
    """What all steps share. Rates and ranks suit a 135M student; recipes say otherwise."""

    about: ClassVar[str]
    part: ClassVar[CorpusPart]  # of the corpus, that the step learns from

    name: str = Field(description="its system and its folder; default: the kind")
    kind: str
    examples: int | None = Field(
        None, ge=1, description="of what it could learn from, so many rows, drawn by the seed; null: all"
    )
    epochs: int = Field(2, ge=1)
    learning_rate: float = Field(5e-4, gt=0)
    batch_size: int = Field(8, ge=1)
    gradient_accumulation_steps: int = Field(
        1, ge=1, description="forward passes that a batch is divided into, where memory is short"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward pass: less memory, a quarter slower"
    )
    save_steps: int = Field(10, ge=1, description="steps between checkpoints, from which a killed run goes on")
    lora_rank: int | None = Field(
        None, ge=1, description="rank of the adapter; null: 8, and in later steps that of the step before"
    )

    @property
    def learns_from_own(self) -> bool:
        """Whether it learns from pairs of the student's own replies, which are not in the corpus."""
        return False

    @property
    def lessons_name(self) -> str | None:
        """What the rows are called that a stage of the step's own makes, and that stage; None: the corpus's will do."""
        return None

    def key(self, name: str) -> str:
        """A key of the step as a recipe's reader knows it."""
        return f"steps.{self.name}.{name}"

    @property
    def label(self) -> str:
        """What readers call the step."""
        return self.name.upper() if self.name == self.kind else self.name


class Sft(Training):
    """Supervised fine-tuning."""

    about = "learn to reply as the examples do"
    part = EXAMPLES

    kind: Literal["sft"]


class Dpo(Training):
    """Direct preference optimisation on top of the adapter of the step before, which is also its reference."""

    about = "learn to prefer the chosen replies"
    part = PREFERENCES

    kind: Literal["dpo"]
    pairs: Literal["teacher", "own"] = Field(
        "teacher",
        description="teacher: the corpus's; own: of the student's own replies, as reward_model ranks them",
    )
    samples: int = Field(8, ge=2, le=64, description="own: replies a dialogue")
    dialogues: int | None = Field(512, ge=1, description="own: dialogues of train that get them; null: all")
    temperature: float = Field(0.8, gt=0, le=2, description="own: at which they are sampled")
    margin: float = Field(0.2, ge=0, lt=1, description="own: by how much the chosen reply's reward has to be higher")
    epochs: int = Field(1, ge=1)
    learning_rate: float = Field(5e-5, gt=0)
    beta: float = Field(0.1, gt=0)
    loss: str | dict[str, float] = Field(
        "sigmoid", description="a loss of TRL's (sigmoid, sigmoid_norm, apo_zero, robust, …), or losses with weights"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="share of pairs taken for mislabelled, for robust")

    @property
    def learns_from_own(self) -> bool:
        """With `pairs: own`."""
        return self.pairs == "own"

    @property
    def lessons_name(self) -> str | None:
        """The pairs of its own replies."""
        return f"{self.name}-pairs" if self.learns_from_own else None

    @field_validator("loss")
    @classmethod
    def _known(cls, loss: str | dict[str, float]) -> str | dict[str, float]:
        for name in [loss] if isinstance(loss, str) else loss:
            if name not in LOSSES:
                raise PydanticCustomError("loss", f"{name!r} is none of TRL's; want {', '.join(LOSSES)}")
        return loss


class Distil(Training):
    """On-policy distillation: at each token of a reply, the student's distribution is drawn to a larger student's."""

    about = "learn to weigh words as a larger student does"
    part = EXAMPLES

    kind: Literal["distil"]
    teacher: str = Field(
        description="a larger student with the same tokens: a run's folder, a PEFT adapter's, a model as student.model"
    )
    teacher_step: str | None = Field(None, description="of a run: whose adapter teaches; null: the last step's")
    teacher_prompt: str = Field(
        "full", description="what the teacher is told beside the emotion: brief | full | a file"
    )
    own: float = Field(
        1.0, ge=0, le=1, description="share of examples whose reply is the student's own; the rest keep the corpus's"
    )
    temperature: float = Field(1.0, gt=0, le=2, description="at which its own replies are sampled")
    beta: float = Field(
        1.0, ge=0, le=1, description="the divergence: 0 forward KL, 1 reverse KL, Jensen-Shannon's between them"
    )
    epochs: int = Field(1, ge=1)
    learning_rate: float = Field(1e-4, gt=0)

    @field_validator("teacher")
    @classmethod
    def _of_the_hub(cls, name: str) -> str:
        return models.hub_id(name)

    @property
    def lessons_name(self) -> str:
        """The corpus's examples, with replies of its own in their place."""
        return f"{self.name}-replies"


AnyStep = Sft | Dpo | Distil
Step = Annotated[AnyStep, Field(discriminator="kind")]
KINDS: dict[str, type[AnyStep]] = {"sft": Sft, "dpo": Dpo, "distil": Distil}
DEFAULT: list[Any] = [Sft(name="sft", kind="sft"), Dpo(name="dpo", kind="dpo")]


def completed(steps: Any) -> Any:
    """Steps as a recipe may write them, with `name` and `kind` filled in from each other."""
    if not isinstance(steps, list):
        return steps
    return [_completed(step) if isinstance(step, dict) else step for step in steps]


def _completed(step: dict[str, Any]) -> dict[str, Any]:
    name, kind = step.get("name"), step.get("kind")
    if name is None and kind is None:
        raise PydanticCustomError("steps", f"a step wants a name or a kind, such as {{kind: {EXAMPLES}}}")
    if kind is None and name not in KINDS:
        raise PydanticCustomError("steps", f"the step {name!r} wants a kind: one of {', '.join(KINDS)}")
    if kind is not None and kind not in KINDS:
        raise PydanticCustomError("steps", f"no such kind of step: {kind!r}; want one of {', '.join(KINDS)}")
    return {**step, "name": kind if name is None else name, "kind": name if kind is None else kind}


def checked(steps: Sequence[AnyStep]) -> None:
    """Refuse steps that can't be trained one after another.

    Raises:
        PydanticCustomError: says what is wrong, and what would do.
    """
    if not steps:
        raise _wrong(f"a run trains one step or more; add one, such as {{name: {EXAMPLES}}}")
    seen: set[str] = set()
    for step in steps:
        if step.name == BASE:
            raise _wrong(f"{BASE!r} is the student before any step; give the step another name")
        if step.name in _TAKEN:
            raise _wrong(f"{step.name!r} already names a part of every run; give the step another name")
        if not _SAFE.fullmatch(step.name):
            raise _wrong(
                f"{step.name!r} can't name a folder; want up to 40 of a-z, 0-9, - and _, a letter or digit first, "
                "and not digits alone"
            )
        if step.name.lower() in seen:
            raise _wrong(f"{step.name!r} names two steps, or what one learns from; give one of them another name")
        seen |= {step.name.lower(), *([step.lessons_name.lower()] if step.lessons_name else [])}
    first = steps[0]
    if isinstance(first, Dpo):
        raise _wrong(f"{first.name!r} is of the kind {first.kind} and has no {EXAMPLES} step before it; put one first")
    for step in steps[1:]:
        if step.lora_rank not in (None, rank := first.lora_rank or LORA_RANK):
            raise _wrong(f"{step.name!r} goes on with an adapter of rank {rank}; leave its lora_rank out")


def _wrong(what: str) -> PydanticCustomError:
    return PydanticCustomError("steps", what)
