"""The two steps: LoRA SFT, then DPO that goes on from the SFT adapter against a frozen copy of it.

Both are TRL's trainers. What is ours: batches of like lengths in a seeded order that a resumed run repeats,
checkpoints that count only when whole, and a history of losses.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from torch.utils.data import Sampler
from transformers import PrinterCallback, TrainerCallback, set_seed
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from empathic import files
from empathic.recipe import Recipe, Training
from empathic.student import load, prompt

Advance = Callable[[int, int], None]  # (steps done, steps in all)
_MICRO = 4  # examples per forward pass: what does not fit in a batch at once is accumulated
_POOL = 8  # batches whose examples are sorted by length together


class LikeLengths(Sampler[int]):
    """Examples in an order where neighbours are of like lengths, new every epoch, set by the seed alone."""

    def __init__(self, lengths: list[int], batch: int, seed: int) -> None:
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        dice = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths), generator=dice).tolist()
        pool = self.batch * _POOL
        for start in range(0, len(order), pool):
            chunk = sorted(order[start : start + pool], key=lambda i: self.lengths[i])
            batches = [chunk[i : i + self.batch] for i in range(0, len(chunk), self.batch)]
            for i in torch.randperm(len(batches), generator=dice).tolist():
                yield from batches[i]


class _Sft(SFTTrainer):
    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        lengths = [len(ids) for ids in self.train_dataset["input_ids"]]
        return LikeLengths(lengths, self.args.train_batch_size, self.args.seed)


class _Dpo(DPOTrainer):
    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        rows = zip(*(self.train_dataset[name] for name in ("prompt_ids", "chosen_ids", "rejected_ids")), strict=True)
        lengths = [len(asked) + max(len(chosen), len(rejected)) for asked, chosen, rejected in rows]
        return LikeLengths(lengths, self.args.train_batch_size, self.args.seed)


class _Watch(TrainerCallback):
    """Report every step, and mark each checkpoint as whole once all of it is on disk."""

    def __init__(self, advance: Advance) -> None:
        self.advance = advance

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.advance(state.global_step, state.max_steps)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / "whole").touch()


def sft_trainer(rows: list[dict[str, Any]], recipe: Recipe, out: Path) -> SFTTrainer:
    """TRL's SFT trainer on `corpus/sft.jsonl` rows: the loss is on the reply alone, end-of-turn included."""
    set_seed(recipe.seed)
    model, tokenizer = load.load(recipe.student.model, recipe.student.template)
    told = prompt.instruction(recipe.student.prompt)
    data = [prompt.tell({"prompt": row["prompt"], "completion": row["completion"]}, told) for row in rows]
    return _Sft(
        model=model,
        args=SFTConfig(**_settings(recipe.sft, recipe.seed, out), max_length=None),
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=recipe.sft.lora_rank,
            lora_alpha=2 * recipe.sft.lora_rank,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )


def sft(rows: list[dict[str, Any]], recipe: Recipe, out: Path, advance: Advance) -> dict[str, Any]:
    """Fine-tune the student, and write the PEFT adapter to `out`; a killed run goes on from its last checkpoint.

    Returns:
        `seconds`, `examples_per_second`, `first_loss`, `last_loss` and `history` (a row a step).
    """
    return _train(sft_trainer(rows, recipe, out), out, advance)


def dpo_trainer(rows: list[dict[str, Any]], recipe: Recipe, adapter: Path, out: Path) -> DPOTrainer:
    """TRL's DPO trainer on `corpus/preferences.jsonl` rows, starting from the SFT adapter.

    A `PeftModel` without `peft_config` makes TRL 1.x keep a frozen copy of the adapter as the reference, so
    the reference is the SFT model and not the base, and the first step's loss is ln 2.
    """
    set_seed(recipe.seed)
    model, tokenizer = load.load(recipe.student.model, recipe.student.template)
    told = prompt.instruction(recipe.student.prompt)
    keys = ("prompt", "chosen", "rejected")
    data = [prompt.tell({key: row[key] for key in keys}, told) for row in rows]
    settings = _settings(recipe.dpo, recipe.seed, out)
    return _Dpo(
        model=PeftModel.from_pretrained(model, str(adapter), is_trainable=True),
        args=DPOConfig(
            **settings,
            beta=recipe.dpo.beta,
            loss_type=[recipe.dpo.loss],
            max_length=None,
            precompute_ref_log_probs=recipe.dpo.epochs > 1,
            precompute_ref_batch_size=settings["per_device_train_batch_size"],
        ),
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
    )


def dpo(rows: list[dict[str, Any]], recipe: Recipe, adapter: Path, out: Path, advance: Advance) -> dict[str, Any]:
    """Train on preference pairs from the SFT adapter on; write one adapter on the original base to `out`.

    Returns:
        What `sft` returns, and `reward_accuracy`: its mean over the last quarter of the steps.
    """
    result = _train(dpo_trainer(rows, recipe, adapter, out), out, advance)
    late = result["history"][-max(1, len(result["history"]) // 4) :]
    result["reward_accuracy"] = sum(step["rewards/accuracies"] for step in late) / len(late)
    return result


def _settings(step: Training, seed: int, out: Path) -> dict[str, Any]:
    """What both trainers are told."""
    micro = math.gcd(step.batch_size, _MICRO)
    gpu = torch.cuda.is_available()
    return {
        "output_dir": str(_checkpoints(out)),
        "num_train_epochs": step.epochs,
        "learning_rate": step.learning_rate,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": step.batch_size // micro,
        "activation_checkpointing": False,
        "bf16": gpu,
        "use_cpu": not gpu,
        "seed": seed,
        "data_seed": seed,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": step.save_steps,
        "save_total_limit": 2,
        "report_to": [],
        "disable_tqdm": True,
    }


def _checkpoints(out: Path) -> Path:
    return out.with_name(f".{out.name}-checkpoints")


def _train(trainer: Any, out: Path, advance: Advance) -> dict[str, Any]:
    """Train from the last whole checkpoint on, write the adapter, and tidy up."""
    _keep_freed_memory()
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Watch(advance))
    folder = _checkpoints(out)
    done = sorted(folder.glob("checkpoint-*/whole"), key=lambda path: int(path.parent.name.split("-")[1]))
    for torn in set(folder.glob("checkpoint-*")) - {path.parent for path in done}:
        shutil.rmtree(torn)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=str(done[-1].parent) if done else None)
    seconds = time.monotonic() - started
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    trainer.model.save_pretrained(str(part), selected_adapters=["default"])
    trainer.processing_class.save_pretrained(str(part))
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    history = [row for row in trainer.state.log_history if "loss" in row]
    steps = trainer.state.max_steps
    resumed = int(done[-1].parent.name.split("-")[1]) if done else 0
    examples = len(trainer.train_dataset) * trainer.args.num_train_epochs * (steps - resumed) / steps
    result = {
        "seconds": round(seconds, 1),
        "examples_per_second": round(examples / seconds, 3),
        "first_loss": history[0]["loss"],
        "last_loss": sum(row["loss"] for row in history[-5:]) / len(history[-5:]),
        "history": history,
    }
    files.write_json(out.with_name(f"{out.name}.json"), result)
    shutil.rmtree(folder, ignore_errors=True)
    del trainer
    _release_memory()
    return result


def _keep_freed_memory() -> None:
    """Have glibc keep freed blocks for the next step: a step of training frees and takes gigabytes.

    Measured at 13% of SFT's time on two cores; elsewhere it does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


def _release_memory() -> None:
    """Give what training held back to the system, for the judge to use."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
