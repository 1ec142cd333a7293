"""Train a step of a recipe: from the last whole checkpoint on, to an adapter and a history of losses."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PrinterCallback

from empathic import files
from empathic.errors import UserError
from empathic.recipe import Recipe
from empathic.student import checkpoints, health, sharding
from empathic.student.kernels import memory
from empathic.student.lessons import Row
from empathic.student.trainers import make_trainer

Progress = Callable[[int, int], None]  # (steps done, steps in all)
Log = Callable[[str], None]
_NO_MEMORY = ("memory", "could not create a primitive")  # as PyTorch says it, and as oneDNN does
# Not cuDNN's: its backward pass gave queries gradients that are not finite (bfloat16, PyTorch 2.11, H200: docs/log.md).
_ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


def train_step(
    name: str,
    rows: Iterable[Row],
    recipe: Recipe,
    adapter: Path | None,
    out: Path,
    progress: Progress,
    log: Log = print,
) -> dict[str, Any]:
    """Train a step, and write its adapter on the original base to `out`; a killed run goes on from a checkpoint.

    Args:
        name: as `make_trainer` has it; `rows`, `recipe`, `adapter` and `out` likewise.
        rows: see there.
        recipe: see there.
        adapter: see there.
        out: see there.
        progress: told after every step of the optimiser.
        log: told what a person should know.

    Returns:
        `seconds`, `examples_per_second`, `first_loss`, `last_loss` and `history` (a row a step of the optimiser);
        with preference pairs also `reward_accuracy`, its mean over the last quarter of these.

    Raises:
        UserError: as `make_trainer` does, a training that diverges, or no memory left.
    """
    with sdpa_kernel(_ATTENTION):  # kernels are tried and references computed there
        trainer = make_trainer(name, rows, recipe, adapter, out)
    return train(trainer, out, progress, log)


def train(trainer: Any, out: Path, progress: Progress, log: Log) -> dict[str, Any]:
    """Train from the last whole checkpoint on, write the adapter, and tidy up."""
    for name, why in trainer.kernels_off.items():
        log(f"{out.name}: the kernel {name} is off, since {why}; that part runs as TRL runs it")
    memory.keep_freed()
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(health.StopOnDivergence(out.name))
    trainer.add_callback(checkpoints.Watch(progress))
    sharding.shard(trainer)
    done = checkpoints.whole(out)
    if trainer.is_world_process_zero():
        checkpoints.drop_torn(out)
    started = time.monotonic()
    try:
        with sdpa_kernel(_ATTENTION):
            trainer.train(resume_from_checkpoint=str(done[-1]) if done else None)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not any(said in str(error) for said in _NO_MEMORY):
            raise
        raise UserError(
            f"{out.name}: out of memory; set steps.{out.name}.gradient_checkpointing: true, raise "
            f"steps.{out.name}.gradient_accumulation_steps, or lower steps.{out.name}.batch_size"
        ) from error
    seconds = time.monotonic() - started
    resumed = checkpoints.steps(done[-1]) if done else 0
    result = _result(trainer, seconds, resumed)
    weights = sharding.gathered(trainer)
    if trainer.is_world_process_zero():
        part = out.with_name(f".{out.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(
            str(part), state_dict=weights, selected_adapters=["default"]
        )
        trainer.processing_class.save_pretrained(str(part))
        shutil.rmtree(out, ignore_errors=True)
        part.rename(out)
        files.write_json(out.with_name(f"{out.name}.json"), result)
        shutil.rmtree(checkpoints.folder(out), ignore_errors=True)
    del trainer
    memory.release()
    return result


def _result(trainer: Any, seconds: float, resumed: int) -> dict[str, Any]:
    """What a training gave: its history, and the figures that summarise it."""
    history = [row for row in trainer.state.log_history if "loss" in row]
    late = history[-max(1, len(history) // 4) :]
    steps = trainer.state.max_steps
    examples = len(trainer.train_dataset) * trainer.args.num_train_epochs * (steps - resumed) / steps
    result = {
        "seconds": round(seconds, 1),
        "examples_per_second": round(examples / seconds, 3),
        "first_loss": history[0]["loss"],
        "last_loss": sum(row["loss"] for row in history[-5:]) / len(history[-5:]),
        "history": history,
    }
    if "rewards/accuracies" in history[0]:
        result["reward_accuracy"] = sum(row["rewards/accuracies"] for row in late) / len(late)
    return result
