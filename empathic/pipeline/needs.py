"""What a training step would need of a GPU: memory, hours and dollars, from configuration and rows alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from empathic import files, models
from empathic.endpoints.pricing import estimated_tokens
from empathic.errors import UserError
from empathic.pipeline.stage import Forecast
from empathic.recipe import Recipe
from empathic.recipe.steps import AnyStep, Distil
from empathic.run import Run
from empathic.student import budget, distil_teacher, launch, load, placement, prompt, rates
from empathic.student.budget import Lengths, Spread
from empathic.student.placement import Placement
from empathic.student.shape import Shape, shape_of

_TEMPLATE = 24  # tokens that a chat template puts around a dialogue, about
_ON_A_GPU = Placement("cuda:0", "bfloat16")
_GIGA = 1e9
Text = tuple[str, Sequence[str]]  # a message, and the replies to it


def told(of: Forecast, step: AnyStep, examples: int) -> str:
    """What a step would need, in words; "" where the student's shape can't be known without fetching it.

    Where the GPU of this machine is too small, the words are those that `check` refuses with.
    """
    shape = _shape(of.recipe.student.model)
    if shape is None:
        return ""
    live = "." * 4 * of.recipe.student.max_tokens if of.recipe.teacher.endpoint else ""  # what a teacher will say
    rows = _lengths(of.recipe, ((d.utterance, [r.text for r in d.replies.values()] + [live]) for d in of.train))
    if rows is None:
        return ""
    shared, rank = of.recipe.kernels.prefix_sharing is not False, of.recipe.lora_rank
    room, student = _room(), of.recipe.student
    taught = _teacher(of.recipe, step)
    beside = f" and {taught / _GIGA:.1f} for its teacher" if taught else ""
    if room:
        try:
            there = budget.check(step, shape, placement.of(student), rank, rows, shared, room - taught)
        except UserError as error:  # told, and refused only where a step is about to train on the rows that are there
            return str(error)
        memory = f"{there}{beside} of {room / _GIGA:.0f}"
    else:
        there = budget.needed(step, shape, _as_on_a_gpu(student), rank, rows, shared)
        memory = f"on a GPU {there}{beside}"
    time = rates.hours(step, shape, min(examples, step.examples or examples))
    of.hours += time
    return f"{memory}; {_few(time)} h on an H200"


def bill(of: Forecast) -> str:
    """What all of a run's training would cost on a rented GPU, and what that is reckoned from; "" where nothing is."""
    dollars = f"${rates.DOLLARS * of.hours:.2f} at ${rates.DOLLARS:.2f} an hour (assumed)"
    return f"{_few(of.hours)} h on an H200 by rates measured there, {dollars}" if of.hours else ""


def check(run: Run, step: AnyStep) -> None:
    """Refuse to train where the GPU is too small for the rows that are there; of several the smallest counts.

    Raises:
        UserError: it is; the line says what would fit.
    """
    room, shape = _room(run.processes), _shape(run.student.model)
    if not room or shape is None:
        return
    rows = _lengths(run.recipe, _texts(files.read_jsonl(run.lessons(step))))
    shared = run.recipe.kernels.prefix_sharing is not False
    if rows is not None:
        left, student = room - _teacher(run.recipe, step), run.recipe.student
        sharded = run.processes > 1 and bool(launch.shards(student.load_in_4bit))
        spread = Spread(run.processes, sharded)
        budget.check(step, shape, placement.of(student), run.recipe.lora_rank, rows, shared, left, spread)


def _teacher(recipe: Recipe, step: AnyStep) -> float:
    """Bytes of the weights of who teaches a distillation, which lies beside the student; 0 where nobody does."""
    if not isinstance(step, Distil) or (shape := _shape(distil_teacher.find(step, recipe).model)) is None:
        return 0.0
    return budget.weights(shape, replace(_as_on_a_gpu(recipe.student), four_bit=False))


def _texts(rows: Iterable[dict[str, Any]]) -> Iterator[Text]:
    for row in rows:
        yield (
            row["prompt"][0]["content"],
            [row[key][0]["content"] for key in ("completion", "chosen", "rejected") if key in row],
        )


def _lengths(recipe: Recipe, texts: Iterable[Text]) -> Lengths | None:
    """About so many tokens are in the rows, the longest reply to each message counted; None where there is none."""
    rows = asked = said = longest = 0  # running sums, since a corpus may not fit into memory
    for message, replies in texts:
        one, other = estimated_tokens(message), max(map(estimated_tokens, replies), default=0)
        rows, asked, said, longest = rows + 1, asked + one, said + other, max(longest, one + other)
    if not rows:
        return None
    opened = estimated_tokens(prompt.instruction(recipe.student.prompt)) + _TEMPLATE
    return Lengths(opened, round(asked / rows), round(said / rows), opened + longest)


def _room(processes: int = 1) -> float | None:
    """Bytes of the GPU that trains here, the smallest of so many; None where there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    used = range(max(1, min(processes, torch.cuda.device_count())))
    return float(min(torch.cuda.get_device_properties(i).total_memory for i in used))


def _as_on_a_gpu(student: Any) -> Placement:
    dtype = _ON_A_GPU.dtype if student.dtype == "auto" else student.dtype
    return Placement(_ON_A_GPU.device, dtype, student.load_in_4bit)


@lru_cache
def _shape(name: str) -> Shape | None:
    """A student's shape, as far as its configuration is here; nothing is fetched or dequantised for it."""
    from transformers import AutoConfig

    if hub := models.on_hub(name):
        return shape_of(AutoConfig.for_model(hub.family, **hub.shape))
    if name in models.KNOWN:
        name = str(models.cache() / "dequantised" / models.KNOWN[name].sha256)
        if not Path(name).is_dir():
            return None
    if models.is_file(name):
        return None
    try:
        return shape_of(load.load_config(name))
    except UserError:
        return None


def _few(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.2g}"
