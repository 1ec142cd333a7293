"""The trainers of a recipe's steps, on top of `shared_prefix`, which runs what examples have in common once.

They are TRL's but that of distillation. What else is ours: reference log-probabilities that outlive a kill, and rows
that teach nothing being refused.
"""

from __future__ import annotations

import functools
import itertools
import os
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy
from accelerate.utils import gather_object
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import TrainingArguments, set_seed
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.trainer import dpo_trainer

from empathic import files
from empathic.errors import UserError
from empathic.recipe import Kernels, Recipe
from empathic.recipe.steps import Distil, Dpo, Sft, Training
from empathic.student import checkpoints, distil, distil_teacher, examples, lessons, placement, prompt, sharding
from empathic.student.encoded import encoded, lengths
from empathic.student.kernels.optimize import optimize_model
from empathic.student.lessons import Row, Rows
from empathic.student.load import adapted, context, load_student


class SharedDPOTrainer(DPOTrainer):
    """TRL's trainer with shared prefixes in the reference pass too, which is paid for once, killed or not.

    TRL's constructor computes the reference, so that the kernels have to be on before it ends. It names its own file
    of references by a hash of all weights, which takes 40 s of an 8B and which nothing reads here.
    """

    def __init__(self, kernels: Kernels, **settings: Any) -> None:
        self.kernels = kernels
        stock = dpo_trainer.hash_module
        dpo_trainer.hash_module = lambda module: ""
        try:
            super().__init__(**settings)
        finally:
            dpo_trainer.hash_module = stock
        if not hasattr(self, "kernels_off"):
            raise RuntimeError("this TRL computes no reference in its constructor; training can't go on safely")

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset  # it holds tokens already

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        self.kernels_off = optimize_model(self.model, self.kernels)
        sharding.shard(self)
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
        """Log-probabilities of every chosen and rejected reply under the reference, each process taking its share.

        A step begins with the adapter that is its reference, so that none is switched to: that would freeze what is
        trained of a sharded model. And all processes run as many passes, or those of a sharded model wait for ever.
        """
        self.ref_model = self.model  # has TRL switch to no adapter
        found = array("d")  # index, chosen, rejected, again and again: a list of them would be six times as large
        for first in range(0, len(dataset), self.accelerator.num_processes * batch_size):
            start = first + self.accelerator.process_index * batch_size
            indices = range(start, min(start + batch_size, len(dataset)))
            batch = self.data_collator([dataset[i] for i in indices or (0,)])
            batch = {key: value.to(self.accelerator.device) for key, value in batch.items()}
            chosen, rejected = self.compute_ref_log_probs(self.model, batch)
            for one in zip(indices, chosen.tolist(), rejected.tolist(), strict=bool(indices)):
                found.extend(one)
        self.ref_model = None
        sharding.part_again(self.model)
        rows = numpy.concatenate(gather_object([found])).reshape(-1, 3)
        _, of_chosen, of_rejected = rows[rows[:, 0].argsort()].T
        return {"ref_chosen_logps": of_chosen.tolist(), "ref_rejected_logps": of_rejected.tolist()}


def make_trainer(name: str, rows: Iterable[Row], recipe: Recipe, adapter: Path | None, out: Path) -> Any:
    """The trainer of a step of the recipe, with the kernels that can be used.

    Args:
        name: of the step.
        rows: those of the part of the corpus that the step learns from, `Lessons` or a list: they are read several
            times, and only their tokens are kept, on disk.
        recipe: the student and the steps' settings.
        adapter: the folder of the adapter that the step goes on from; None for a new one.
        out: the folder of the adapter to write.

    Raises:
        UserError: rows that can't be learnt from, or a batch that can't be divided.
    """
    step = recipe.step(name)
    drawn = lessons.drawn(rows, step.examples, f"{recipe.seed} {name}")
    if next(drawn(), None) is None:
        raise UserError(f"corpus/{step.part}.jsonl: holds nothing for steps.{name} to learn from; add dialogues")
    set_seed(recipe.seed)
    if isinstance(step, Sft):
        return _sft_trainer(step, drawn, recipe, adapter, out)
    if isinstance(step, Distil):
        return _distil_trainer(step, drawn, recipe, adapter, out)
    if adapter is None:
        raise ValueError(f"{name} needs the adapter of the step before")
    return _dpo_trainer(step, drawn, recipe, adapter, out)


def _sft_trainer(step: Sft, rows: Rows, recipe: Recipe, adapter: Path | None, out: Path) -> SFTTrainer:
    """The loss is on the reply alone, end-of-turn included."""
    lessons.check(rows, ("completion",))
    placed = placement.of(recipe.student)
    model, tokenizer = load_student(recipe.student.model, recipe.student.template, placed=placed)
    told = lessons.told(rows, prompt.instruction(recipe.student.prompt))
    tokens = encoded(told, functools.partial(examples.example, tokenizer), checkpoints.folder(out))
    _fits(model, rows, lengths(tokens, "input_ids"))
    trainer = SFTTrainer(
        model=adapted(model, adapter, trainable=True) if adapter else model,
        args=_on_one_gpu(SFTConfig(**_settings(step, recipe.seed, out, placed), max_length=None)),
        train_dataset=tokens,
        processing_class=tokenizer,
        peft_config=None if adapter else _new_adapter(recipe),
    )
    if placed.four_bit:
        placement.keep_float32(trainer.model, adapter)
    trainer.kernels_off = optimize_model(trainer.model, recipe.kernels)
    return trainer


def _dpo_trainer(step: Dpo, rows: Rows, recipe: Recipe, adapter: Path, out: Path) -> DPOTrainer:
    """A `PeftModel` without `peft_config` makes TRL 1.x keep a frozen copy of the adapter as the reference.

    So the reference is the student of the step before and not the base, and the first loss is ln 2.
    """
    lessons.check(rows, ("chosen", "rejected"))
    placed = placement.of(recipe.student)
    model, tokenizer = load_student(recipe.student.model, recipe.student.template, placed=placed)
    losses = step.loss if isinstance(step.loss, dict) else {step.loss: 1.0}
    settings = _settings(step, recipe.seed, out, placed)
    told = lessons.told(rows, prompt.instruction(recipe.student.prompt))
    tokens = encoded(told, functools.partial(examples.pair, tokenizer), checkpoints.folder(out))
    replies = numpy.maximum(lengths(tokens, "chosen_ids"), lengths(tokens, "rejected_ids"))
    _fits(model, rows, lengths(tokens, "prompt_ids") + replies)
    trainer = SharedDPOTrainer(
        recipe.kernels,
        model=adapted(model, adapter, trainable=True),
        args=_on_one_gpu(
            DPOConfig(
                **settings,
                beta=step.beta,
                loss_type=list(losses),
                loss_weights=list(losses.values()),
                label_smoothing=step.label_smoothing,
                max_length=None,
                precompute_ref_log_probs=True,
                precompute_ref_batch_size=settings["per_device_train_batch_size"],
            )
        ),
        train_dataset=tokens,
        processing_class=tokenizer,
    )
    if placed.four_bit:
        placement.keep_float32(trainer.model, adapter)
    return trainer


def _distil_trainer(step: Distil, rows: Rows, recipe: Recipe, adapter: Path | None, out: Path) -> distil.DistilTrainer:
    """Student and teacher read the same replies, each after a prompt of its own."""
    placed = placement.of(recipe.student)
    model, tokenizer = load_student(recipe.student.model, recipe.student.template, placed=placed)
    teacher, of_teacher = distil_teacher.open_teacher(step, recipe)
    told = (
        prompt.instruction(recipe.student.prompt),
        prompt.instruction(step.teacher_prompt, step.key("teacher_prompt")),
    )
    encode = functools.partial(distil.encode, told=told, tokenizers=(tokenizer, of_teacher))
    tokens = encoded(rows, encode, checkpoints.folder(out))
    for who, whose in ((model, ""), (teacher, "teacher_")):
        both = lengths(tokens, f"{whose}prompt_ids") + lengths(tokens, "reply_ids")
        _fits(who, rows, both, *((step.key("teacher_prompt"), "teacher") if whose else ()))
    student = adapted(model, adapter, trainable=True) if adapter else get_peft_model(model, _new_adapter(recipe))
    if step.gradient_checkpointing:
        student.enable_input_require_grads()  # else nothing before the first adapter has a gradient to pass on
    return distil.DistilTrainer(
        *(teacher, step.beta, recipe.kernels),
        model=student,
        args=_on_one_gpu(
            TrainingArguments(
                **_settings(step, recipe.seed, out, placed), remove_unused_columns=False, label_names=["labels"]
            )
        ),
        train_dataset=tokens,
        processing_class=tokenizer,
    )


def _on_one_gpu(args: Any) -> Any:
    """Arguments of a process that trains on its own GPU; of several Trainer would take all, each with a whole batch."""
    args._n_gpu = min(1, args.n_gpu)
    return args


def _new_adapter(recipe: Recipe) -> LoraConfig:
    return LoraConfig(
        r=recipe.lora_rank, lora_alpha=2 * recipe.lora_rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _fits(model: Any, rows: Rows, tokens: numpy.ndarray[Any, Any], key: str = "corpus", who: str = "student") -> None:
    """Refuse examples that are longer than a model's context, in tokens, [N]; `key` names what is in front of them."""
    most, longest = context(model.config), int(tokens.argmax())
    if most and tokens[longest] > most:
        (row,) = itertools.islice(rows(), longest, longest + 1)
        raise UserError(
            f"{key}: the example {row['id']!r} has {tokens[longest]} tokens with its prompt, and the {who}'s "
            f"context holds {most}; shorten it, or choose the brief prompt"
        )


def _settings(step: Training, seed: int, out: Path, placed: placement.Placement) -> dict[str, Any]:
    """What both trainers are told; a batch is divided into passes and among the processes of `launch`.

    Raises:
        UserError: a batch that can't be divided evenly.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    passes = step.gradient_accumulation_steps
    parts = passes * processes
    if step.batch_size % parts:
        raise UserError(
            f"steps.{step.name}.batch_size: {step.batch_size} can't be divided into {passes} passes in each of "
            f"{processes} processes; want a multiple of {parts}"
        )
    return {
        "output_dir": str(checkpoints.folder(out)),
        "num_train_epochs": step.epochs,
        "learning_rate": step.learning_rate,
        "per_device_train_batch_size": step.batch_size // parts,
        "gradient_accumulation_steps": passes,
        "activation_checkpointing": step.gradient_checkpointing,
        "bf16": placed.rounds,  # sums and norms in float32 all the same
        "use_cpu": placed.device == "cpu",
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
