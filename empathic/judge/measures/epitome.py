"""A scorer of EPITOME's levels that needs no endpoint: LoRA and three heads on a small model, taught by people.

Sharma et al. (2020, arXiv 2009.08441) trained two RoBERTa encoders a behaviour; here one causal model reads the post
and the reply after it, and the state at the last token tells all three levels.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from empathic import files
from empathic.errors import UserError
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.measures.levels import (
    BEHAVIOURS,
    LEVELS,
    ByLevels,
    LabelledReply,
    LevelProbabilities,
    expected_level,
)
from empathic.judge.measures.measure import Asking, Means, Measure, Needs, row
from empathic.judge.replies import EvalSet
from empathic.judge.scores import ScoreRow
from empathic.student.load import load_student

MODEL = "smollm2-135m"
_POST, _REPLY = 160, 96  # tokens that are read of each, at most: of a longer post its end
_AT_ONCE = 16
_PASSES = 4  # that a batch is trained on in, so that a quarter of its activations is kept at a time


def train(
    rows: Sequence[LabelledReply],
    out: Path,
    model: str = MODEL,
    epochs: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train a scorer on labelled replies and write its PEFT adapter, heads included, to `out`.

    Killed, it goes on from its last whole epoch when it is called again with the same rows and settings.

    Args:
        rows: what to learn from.
        out: the folder to write.
        model: the base, as `student.model` takes it.
        epochs: passes over the rows.
        seed: of the heads, the adapter and the order.
        progress: told after every step.

    Raises:
        UserError: no rows, or a base that can't be loaded.
    """
    if not rows:
        raise UserError("no labelled replies to train a scorer on")
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainingArguments, set_seed

    from empathic.student import checkpoints

    set_seed(seed)
    base, tokenizer = _base(model)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="SEQ_CLS")
    learner = get_peft_model(base, config)
    _optimize(learner)
    data = [
        {"input_ids": _tokens(tokenizer, row.asked), "labels": [row.levels[name] for name in BEHAVIOURS]}
        for row in rows
    ]
    under = out.with_name(f"{out.name}-{files.digest([data, model, epochs, seed])[:12]}")
    settings = TrainingArguments(
        output_dir=str(checkpoints.folder(under)),
        num_train_epochs=epochs,
        learning_rate=5e-4,
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
        seed=seed,
    )
    trainer = Trainer(
        model=learner,
        args=settings,
        train_dataset=data,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_loss_func=_loss,
        callbacks=[checkpoints.Watch(progress)],
    )
    trainer.remove_callback(PrinterCallback)
    checkpoints.drop_torn(under)
    done = checkpoints.whole(under)
    trainer.train(resume_from_checkpoint=str(done[-1]) if done else None)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    learner.save_pretrained(str(part))
    (part / "base.txt").write_text(model, encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    shutil.rmtree(settings.output_dir, ignore_errors=True)


def check(folder: Path) -> None:
    """Refuse a folder without a scorer in it.

    Raises:
        UserError: there is none.
    """
    if not (folder / "adapter_config.json").is_file():
        raise UserError(f"{folder}: no scorer there; `empathic judge train` makes one")


class Scorer:
    """A trained scorer.

    Args:
        folder: what `train` wrote.

    Raises:
        UserError: there is none.
    """

    def __init__(self, folder: Path) -> None:
        check(folder)
        from peft import PeftModel

        base, self.tokenizer = _base((folder / "base.txt").read_text(encoding="utf-8"))
        self.model = PeftModel.from_pretrained(base, str(folder)).merge_and_unload().eval()
        _optimize(self.model)

    def probabilities(
        self, asked: Sequence[JudgedReply], advance: Callable[[], None] = lambda: None
    ) -> list[dict[str, LevelProbabilities]]:
        """The probabilities of the levels by behaviour, for every reply in order; `advance` is called once a reply."""
        import torch

        rows = [_tokens(self.tokenizer, one) for one in asked]
        found: dict[int, dict[str, LevelProbabilities]] = {}
        by_length = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(rows), _AT_ONCE):
            some = by_length[start : start + _AT_ONCE]
            batch = self.tokenizer.pad({"input_ids": [rows[i] for i in some]}, return_tensors="pt")
            with torch.inference_mode():
                levels = _levels(self.model(**batch).logits).softmax(-1)
            for i, of in zip(some, levels.tolist(), strict=True):
                found[i] = {name: (p[0], p[1], p[2]) for name, p in zip(BEHAVIOURS, of, strict=True)}
                advance()
        return [found[i] for i in range(len(rows))]


@dataclass(frozen=True)
class EpitomeMeasure(ByLevels):
    """The levels that a trained scorer says, of every reply."""

    needs: ClassVar[Needs] = "model"
    scorer: Scorer
    judge: str = ""

    @classmethod
    def instances(cls, means: Means) -> Sequence[Measure]:
        """One, where there is a scorer."""
        return [cls(means.models[cls.name])] if cls.name in means.models else []

    def count(self, of: EvalSet) -> int:
        """Every reply."""
        return len(of.places(every=True))

    def score(self, of: EvalSet, asking: Asking | None, advance: Callable[[], None]) -> Iterator[ScoreRow]:
        """A row a behaviour."""
        places, replies = of.places(every=True), of.all_replies
        asked = [JudgedReply(d.utterance, replies[system][d.id]) for d, system in places]
        for (d, system), levels in zip(places, self.scorer.probabilities(asked, advance), strict=True):
            for name, probabilities in levels.items():
                yield row(self, system, d.id, expected_level(probabilities), name)


def _base(model: str) -> tuple[Any, Any]:
    """A model with a row of logits for the levels of the behaviours, and its tokenizer."""
    base, tokenizer = load_student(model, classes=len(BEHAVIOURS) * len(LEVELS))
    base.config.pad_token_id = tokenizer.pad_token_id
    tokenizer.padding_side = "right"
    return base, tokenizer


def _optimize(model: Any) -> None:
    from empathic.student.kernels import elementwise, lora, matmul_precision

    matmul_precision.use_onednn()
    lora.patch_lora(model)
    elementwise.patch_norms(model)


def _tokens(tokenizer: Any, asked: JudgedReply) -> list[int]:
    post, reply = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (asked.utterance, asked.reply))
    between = tokenizer("\n\nReply: ", add_special_tokens=False)["input_ids"]
    read: list[int] = [*post[-_POST:], *between, *reply[:_REPLY]]
    return read


def _levels(logits: Any) -> Any:
    """[rows, behaviours, levels]."""
    return logits.view(-1, len(BEHAVIOURS), len(LEVELS))


def _loss(outputs: Any, labels: Any, num_items_in_batch: Any) -> Any:
    """The cross-entropy of the three behaviours, over the labels of all passes of a batch."""
    from torch.nn.functional import cross_entropy

    summed = cross_entropy(_levels(outputs.logits).flatten(0, 1).float(), labels.flatten(), reduction="sum")
    return summed / num_items_in_batch
