"""A small model that says labels of replies: LoRA and a head a label on a causal model, which reads message and reply.

The state at the last token tells all labels. What is kept is a PEFT adapter with its heads, and `labels.json`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.student import placement
from empathic.student.load import adapted, load_student

_MESSAGE, _REPLY = 160, 96  # tokens that are read of each, at most: of a longer message its end
_AT_ONCE = 16
_PASSES = 4  # that a batch is trained on in, so that a quarter of its activations is kept at a time
ABOUT = "labels.json"


@dataclass(frozen=True)
class Labelled:
    """A reply, and its label by each head: 0 and up."""

    asked: JudgedReply
    labels: Mapping[str, int]


@dataclass(frozen=True)
class Learning:
    """How a classifier learns.

    Attributes:
        model: the base, as `student.model` takes it.
        epochs: passes over the rows.
        seed: of the heads, the adapter and the order.
        top: how many of the uppermost layers learn; None for all. Those below run forward alone, so that time is saved.
        learning_rate: at its highest.
    """

    model: str
    epochs: int = 3
    seed: int = 0
    top: int | None = None
    learning_rate: float = 5e-4


def train(
    rows: Sequence[Labelled],
    heads: Mapping[str, int],
    out: Path,
    learning: Learning,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train a classifier on labelled replies and write its PEFT adapter, heads included, to `out`.

    Killed, it goes on from its last whole epoch when it is called again with the same rows and settings.

    Args:
        rows: what to learn from.
        heads: the number of classes of each label.
        out: the folder to write.
        learning: the base, and how it is trained.
        progress: told after every step.

    Raises:
        UserError: no rows, or a base that can't be loaded.
    """
    if not rows:
        raise UserError("no labelled replies to train a scorer on")
    from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, set_seed

    from empathic.student import checkpoints

    set_seed(learning.seed)
    learner, tokenizer = _learner(learning, heads)
    data = [
        {"input_ids": _tokens(tokenizer, row.asked), "labels": [row.labels[name] for name in heads]} for row in rows
    ]
    under = out.with_name(f"{out.name}-{files.digest([data, vars(learning)])[:12]}")
    settings = _settings(learning, checkpoints.folder(under))
    trainer = Trainer(
        model=learner,
        args=settings,
        train_dataset=data,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_loss_func=lambda outputs, labels, num_items_in_batch: _loss(
            outputs.logits, labels, list(heads.values()), num_items_in_batch
        ),
        callbacks=[checkpoints.Watch(progress)],
    )
    trainer.remove_callback(PrinterCallback)
    checkpoints.drop_torn(under)
    done = checkpoints.whole(under)
    trainer.train(resume_from_checkpoint=str(done[-1]) if done else None)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    learner.save_pretrained(str(part))
    learnt = sorted({of_message(row.asked.utterance) for row in rows})
    files.write_json(part / ABOUT, {"base_model": learning.model, "heads": dict(heads), "learnt": learnt})
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    shutil.rmtree(settings.output_dir, ignore_errors=True)


def every_reply(of: EvalSet) -> tuple[list[tuple[EvalDialogue, str]], list[JudgedReply]]:
    """The places of a set, each a dialogue and a system, and the replies there as a classifier reads them."""
    places, replies = of.places(every=True), of.all_replies
    return places, [JudgedReply(d.utterance, replies[system][d.id]) for d, system in places]


def of_message(utterance: str) -> str:
    """What a message is known by, whatever its case and spacing: half a SHA-256 in hexadecimal digits."""
    return hashlib.sha256(" ".join(utterance.split()).casefold().encode()).hexdigest()[:32]


def check(folder: Path, heads: Mapping[str, int]) -> dict[str, Any]:
    """What is written down of the classifier in a folder; one without any, or with other labels, is refused.

    Raises:
        UserError: that.
    """
    if not (folder / "adapter_config.json").is_file() or not (folder / ABOUT).is_file():
        raise UserError(f"{folder}: no scorer there; `empathic judge train` makes one")
    about: dict[str, Any] = files.read_json(folder / ABOUT)
    if not {"heads", "base_model", "learnt"} <= about.keys():
        raise UserError(f"{folder / ABOUT}: not as this version writes it; train it anew with `empathic judge train`")
    if about["heads"] != dict(heads):
        raise UserError(f"{folder}: a scorer of {', '.join(about['heads'])}; want one of {', '.join(heads)}")
    return about


class Classifier:
    """A trained classifier.

    Args:
        folder: what `train` wrote.
        heads: the labels that it is to say.

    Raises:
        UserError: as `check` does.
    """

    def __init__(self, folder: Path, heads: Mapping[str, int]) -> None:
        about = check(folder, heads)

        self.heads = dict(heads)
        self.learnt = frozenset[str](about["learnt"])  # the messages that it learnt from, by `of_message`
        base, self.tokenizer = _base(about["base_model"], self.heads, f"{folder}: its base")
        merged = adapted(base, folder).merge_and_unload()
        self.model = placement.place().put(merged).eval()
        _optimize(self.model)

    def probabilities(
        self, asked: Sequence[JudgedReply], advance: Callable[[], None] = lambda: None
    ) -> list[dict[str, tuple[float, ...]]]:
        """The probabilities of the classes by label, of every reply in order; `advance` is called once a reply."""
        import torch

        rows = [_tokens(self.tokenizer, one) for one in asked]
        found: dict[int, dict[str, tuple[float, ...]]] = {}
        by_length = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(rows), _AT_ONCE):
            some = by_length[start : start + _AT_ONCE]
            batch = self.tokenizer.pad({"input_ids": [rows[i] for i in some]}, return_tensors="pt")
            batch = batch.to(self.model.device)
            with torch.inference_mode():
                parts = self.model(**batch).logits.float().split(list(self.heads.values()), -1)
            each = [part.softmax(-1).tolist() for part in parts]
            for place, i in enumerate(some):
                found[i] = {name: tuple(of[place]) for name, of in zip(self.heads, each, strict=True)}
                advance()
        return [found[i] for i in range(len(rows))]


def _learner(learning: Learning, heads: Mapping[str, int]) -> tuple[Any, Any]:
    """The base with a new adapter, and its tokenizer."""
    from peft import LoraConfig, get_peft_model

    base, tokenizer = _base(learning.model, heads, "--model")
    layers = base.config.num_hidden_layers
    upper = list(range(layers - learning.top, layers)) if learning.top and learning.top < layers else None
    config = LoraConfig(
        r=16, lora_alpha=32, target_modules="all-linear", layers_to_transform=upper, task_type="SEQ_CLS"
    )
    learner = get_peft_model(base, config)
    _optimize(learner)
    return learner, tokenizer


def _base(model: str, heads: Mapping[str, int], key: str) -> tuple[Any, Any]:
    """A model with a row of logits for the classes of all labels, and its tokenizer."""
    base, tokenizer = load_student(model, classes=sum(heads.values()), key=key)
    base.config.pad_token_id = tokenizer.pad_token_id
    tokenizer.padding_side = "right"
    return base, tokenizer


def _optimize(model: Any) -> None:
    from empathic.student.kernels import elementwise, lora, matmul_precision

    matmul_precision.use_onednn()
    lora.patch_lora(model)
    elementwise.patch_norms(model)


def _settings(learning: Learning, folder: Path) -> Any:
    import torch
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=learning.epochs,
        learning_rate=learning.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=20,
        per_device_train_batch_size=_AT_ONCE // _PASSES,
        gradient_accumulation_steps=_PASSES,
        train_sampling_strategy="group_by_length",
        save_strategy="epoch",
        save_total_limit=2,
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        bf16=placement.place().rounds,
        seed=learning.seed,
    )


def _tokens(tokenizer: Any, asked: JudgedReply) -> list[int]:
    message, reply = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (asked.utterance, asked.reply))
    between = tokenizer("\n\nReply: ", add_special_tokens=False)["input_ids"]
    read: list[int] = [*message[-_MESSAGE:], *between, *reply[:_REPLY]]
    return read


def _loss(logits: Any, labels: Any, classes: Sequence[int], num_items_in_batch: Any) -> Any:
    """The cross-entropy of all labels, over those of all passes of a batch. Labels are [rows, heads]."""
    from torch.nn.functional import cross_entropy

    parts = logits.float().split(list(classes), -1)
    summed = sum(cross_entropy(part, labels[:, i], reduction="sum") for i, part in enumerate(parts))
    return summed / num_items_in_batch
