"""The two steps: LoRA SFT, then DPO that goes on from the SFT adapter against a frozen copy of it.

Both are TRL's trainers on top of `shared_prefix`, which runs what examples have in common once. What else is ours:
reference log-probabilities that outlive a kill, checkpoints that count only when whole, and a history of losses.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from peft import LoraConfig, PeftModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PrinterCallback, set_seed
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from empathic import files
from empathic.errors import UserError
from empathic.recipe import Kernels, Recipe, Training
from empathic.student import checkpoints, health, prompt
from empathic.student.kernels import memory
from empathic.student.kernels.optimize import optimize_model
from empathic.student.load import load_student

Progress = Callable[[int, int], None]  # (steps done, steps in all)
Log = Callable[[str], None]
# Not cuDNN's: its backward pass gave queries gradients that are not finite (bfloat16, PyTorch 2.11, H200: docs/log.md).
_ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
LOSSES = ("sigmoid", "sigmoid_norm", "hinge", "ipo", "robust", "apo_zero", "apo_down", "sppo_hard", "nca_pair", "sft")


class SharedDPOTrainer(DPOTrainer):
    """TRL's trainer with shared prefixes in the reference pass too, which is paid for once, killed or not.

    TRL's constructor computes the reference, so that the kernels have to be on before it ends.
    """

    def __init__(self, kernels: Kernels, **settings: Any) -> None:
        self.kernels = kernels
        super().__init__(**settings)
        if not hasattr(self, "kernels_off"):
            raise RuntimeError("this TRL computes no reference in its constructor; training can't go on safely")

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        rows = zip(*(dataset[column] for column in ("prompt_ids", "chosen_ids", "rejected_ids")), strict=True)
        _fits(self, [len(asked) + max(len(chosen), len(rejected)) for asked, chosen, rejected in rows])
        self.kernels_off = optimize_model(self.model, self.kernels)
        kept = Path(self.args.output_dir) / "reference.json"
        if not kept.exists():
            found = self._references(dataset, batch_size)
            if self.accelerator.is_main_process:
                files.write_json(kept, found)
            self.accelerator.wait_for_everyone()
        for column, values in files.read_json(kept).items():
            dataset = dataset.add_column(column, values)
        return dataset

    def _references(self, dataset: Dataset, batch_size: int) -> dict[str, list[float]]:
        """Log-probabilities of every chosen and rejected reply under the SFT model, each process taking its share."""
        share = range(
            self.accelerator.process_index * batch_size, len(dataset), self.accelerator.num_processes * batch_size
        )
        found: list[tuple[int, float, float]] = []
        for start in share:
            indices = range(start, min(start + batch_size, len(dataset)))
            batch = self.data_collator([dataset[i] for i in indices])
            batch = {key: value.to(self.accelerator.device) for key, value in batch.items()}
            chosen, rejected = self.compute_ref_log_probs(self.model, batch)
            found += zip(indices, chosen.tolist(), rejected.tolist(), strict=True)
        _, of_chosen, of_rejected = zip(*sorted(gather_object(found)), strict=True)
        return {"ref_chosen_logps": list(of_chosen), "ref_rejected_logps": list(of_rejected)}


def sft_trainer(rows: list[dict[str, Any]], recipe: Recipe, out: Path) -> SFTTrainer:
    """TRL's SFT trainer on `corpus/sft.jsonl` rows: the loss is on the reply alone, end-of-turn included."""
    _check(rows, ("completion",))
    set_seed(recipe.seed)
    model, tokenizer = load_student(recipe.student.model, recipe.student.template)
    system_prompt = prompt.instruction(recipe.student.prompt)
    data = [
        prompt.with_system_prompt({"prompt": row["prompt"], "completion": row["completion"]}, system_prompt)
        for row in rows
    ]
    trainer = SFTTrainer(
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
    _fits(trainer, [len(ids) for ids in trainer.train_dataset["input_ids"]])
    trainer.kernels_off = optimize_model(trainer.model, recipe.kernels)
    return trainer


def sft(rows: list[dict[str, Any]], recipe: Recipe, out: Path, progress: Progress, log: Log = print) -> dict[str, Any]:
    """Fine-tune the student, and write the PEFT adapter to `out`; a killed run goes on from its last checkpoint.

    Args:
        rows: those of `corpus/sft.jsonl`.
        recipe: the student and the step's settings.
        out: the folder of the adapter.
        progress: told after every step.
        log: told what a person should know.

    Returns:
        `seconds`, `examples_per_second`, `first_loss`, `last_loss` and `history` (a row a step).

    Raises:
        UserError: an example that can't be learnt from, a loss that TRL doesn't know, or no memory left.
    """
    return train(sft_trainer(rows, recipe, out), out, progress, log)


def dpo_trainer(rows: list[dict[str, Any]], recipe: Recipe, adapter: Path, out: Path) -> DPOTrainer:
    """TRL's DPO trainer on `corpus/preferences.jsonl` rows, starting from the SFT adapter.

    A `PeftModel` without `peft_config` makes TRL 1.x keep a frozen copy of the adapter as the reference, so
    the reference is the SFT model and not the base, and the first step's loss is ln 2.
    """
    _check(rows, ("chosen", "rejected"))
    set_seed(recipe.seed)
    model, tokenizer = load_student(recipe.student.model, recipe.student.template)
    system_prompt = prompt.instruction(recipe.student.prompt)
    losses = recipe.dpo.loss if isinstance(recipe.dpo.loss, dict) else {recipe.dpo.loss: 1.0}
    for loss in losses:
        if loss not in LOSSES:
            raise UserError(f"dpo.loss: {loss!r} is none of TRL's; want {', '.join(LOSSES)}")
    keys = ("prompt", "chosen", "rejected")
    data = [prompt.with_system_prompt({key: row[key] for key in keys}, system_prompt) for row in rows]
    settings = _settings(recipe.dpo, recipe.seed, out)
    return SharedDPOTrainer(
        recipe.kernels,
        model=PeftModel.from_pretrained(model, str(adapter), is_trainable=True),
        args=DPOConfig(
            **settings,
            beta=recipe.dpo.beta,
            loss_type=list(losses),
            loss_weights=list(losses.values()),
            label_smoothing=recipe.dpo.label_smoothing,
            max_length=None,
            precompute_ref_log_probs=True,
            precompute_ref_batch_size=settings["per_device_train_batch_size"],
        ),
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
    )


def dpo(
    rows: list[dict[str, Any]], recipe: Recipe, adapter: Path, out: Path, progress: Progress, log: Log = print
) -> dict[str, Any]:
    """Train on preference pairs from the SFT adapter on; write one adapter on the original base to `out`.

    Args:
        rows: those of `corpus/preferences.jsonl`.
        recipe: the student and the step's settings.
        adapter: the folder of the SFT adapter.
        out: the folder of the adapter to write.
        progress: told after every step.
        log: told what a person should know.

    Returns:
        What `sft` returns, and `reward_accuracy`: its mean over the last quarter of the steps.

    Raises:
        UserError: as `sft` does.
    """
    return train(dpo_trainer(rows, recipe, adapter, out), out, progress, log)


def _check(rows: list[dict[str, Any]], replies: tuple[str, ...]) -> None:
    """Refuse rows that teach nothing: an empty reply, or a pair of equal ones."""
    for row in rows:
        said = [row[key][0]["content"].strip() for key in replies]
        if not all(said):
            raise UserError(f"corpus: the example {row['id']!r} has an empty reply; mend or drop the dialogue")
        if len(said) > len(set(said)):
            raise UserError(f"corpus: the pair {row['id']!r} prefers a reply to itself; mend or drop the dialogue")


def _fits(trainer: Any, lengths: list[int]) -> None:
    """Refuse examples that are longer than the student's context, in tokens."""
    most = getattr(trainer.model.config.get_text_config(), "max_position_embeddings", None)
    if most and max(lengths) > most:
        raise UserError(
            f"corpus: example {lengths.index(max(lengths)) + 1} has {max(lengths)} tokens with its prompt, and the "
            f"student's context holds {most}; shorten it, or choose the brief prompt"
        )


def _settings(step: Training, seed: int, out: Path) -> dict[str, Any]:
    """What both trainers are told; a batch is divided into passes and among the processes of `launch`.

    Raises:
        UserError: a batch that can't be divided evenly.
    """
    gpu = torch.cuda.is_available()
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    parts = step.passes * processes
    if step.batch_size % parts:
        raise UserError(
            f"{out.name}.batch_size: {step.batch_size} can't be divided into {step.passes} passes in each of "
            f"{processes} processes; want a multiple of {parts}"
        )
    return {
        "output_dir": str(checkpoints.folder(out)),
        "num_train_epochs": step.epochs,
        "learning_rate": step.learning_rate,
        "per_device_train_batch_size": step.batch_size // parts,
        "gradient_accumulation_steps": step.passes,
        "activation_checkpointing": step.recompute,
        "bf16": gpu,
        "use_cpu": not gpu,
        "seed": seed,
        "data_seed": seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # else a loss that is not finite is logged as 0
        "save_strategy": "steps",
        "save_steps": step.save_steps,
        "save_total_limit": 2,
        "report_to": [],
        "disable_tqdm": True,
    }


def train(trainer: Any, out: Path, progress: Progress, log: Log) -> dict[str, Any]:
    """Train from the last whole checkpoint on, write the adapter, and tidy up."""
    for name, why in trainer.kernels_off.items():
        log(f"{out.name}: the kernel {name} is off, since {why}; that part runs as TRL runs it")
    memory.keep_freed()
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(health.StopOnDivergence(out.name))
    trainer.add_callback(checkpoints.Watch(progress))
    done = checkpoints.whole(out)
    if trainer.is_world_process_zero():
        checkpoints.drop_torn(out)
    started = time.monotonic()
    try:
        with sdpa_kernel(_ATTENTION):
            trainer.train(resume_from_checkpoint=str(done[-1]) if done else None)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise UserError(
            f"{out.name}: out of memory; set {out.name}.recompute: true, raise {out.name}.passes, "
            f"or lower {out.name}.batch_size"
        ) from error
    seconds = time.monotonic() - started
    resumed = checkpoints.steps(done[-1]) if done else 0
    result = _result(trainer, seconds, resumed)
    if trainer.is_world_process_zero():
        part = out.with_name(f".{out.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(str(part), selected_adapters=["default"])
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
