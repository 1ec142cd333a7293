"""Who is measured: the engine in several ways, and stock TRL with Liger's kernels and without."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers.models.llama import modeling_llama
from transformers.models.qwen2 import modeling_qwen2

from empathic.recipe import Kernels, Recipe, load_recipe
from empathic.student import trainers

RANK = 8
PEERS = {  # what the recipe's kernels are, and what TRL is told beside
    "ours": (Kernels(), {}),
    "ours, dense mask": (Kernels(flex_attention=False), {}),
    "trl": (Kernels(**dict.fromkeys(Kernels.model_fields, False)), {}),
    "trl, liger": (Kernels(**dict.fromkeys(Kernels.model_fields, False)), {"use_liger_kernel": True}),
    "ours, 4 bits": (Kernels(), {}),
}
FOUR_BITS = "student.load_in_4bit=true", "steps.sft.gradient_checkpointing=true"


def recipe_of(step: str, batch: int, peer: str, dtype: str = "auto") -> Recipe:
    """A recipe whose step has this batch, with a peer's kernels."""
    settings = [f"student.dtype={dtype}", "student.prompt=full", f"steps.sft.lora_rank={RANK}"]
    settings += [f"steps.{step}.batch_size={batch}", f"steps.{step}.epochs=1", f"steps.{step}.save_steps=1000"]
    settings += [f"steps.{step}.examples=null"]  # all that it is given
    settings += FOUR_BITS if "4 bits" in peer else ()
    return load_recipe("demo", settings).model_copy(update={"kernels": PEERS[peer][0]})


def trainer_of(step: str, rows: list[dict[str, Any]], recipe: Recipe, peer: str, adapter: Path, out: Path) -> Any:
    """The trainer of a step; stock TRL computes DPO's references in every step, its default."""
    beside = dict(PEERS[peer][1])
    if peer.startswith("trl"):
        beside["precompute_ref_log_probs"] = False
    kept = trainers.SFTConfig, trainers.DPOConfig
    sft, dpo = kept
    trainers.SFTConfig = lambda **keys: sft(**keys | {k: v for k, v in beside.items() if "ref" not in k})
    trainers.DPOConfig = lambda **keys: dpo(**keys | beside)
    stock = trainers.SharedDPOTrainer
    if peer.startswith("trl"):
        trainers.SharedDPOTrainer = _plain  # type: ignore[assignment, misc]
    try:
        return trainers.make_trainer(step, rows, recipe, adapter if step == "dpo" else None, out)
    finally:
        trainers.SFTConfig, trainers.DPOConfig = kept
        trainers.SharedDPOTrainer = stock  # type: ignore[misc]


def _plain(kernels: Kernels, **settings: Any) -> Any:
    """TRL's own DPO trainer on rows that hold tokens."""

    class Plain(trainers.DPOTrainer):
        kernels_off: dict[str, str] = {}  # noqa: RUF012

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

    return Plain(**settings)


@contextlib.contextmanager
def stock_models() -> Iterator[None]:
    """Put back what Liger replaces in transformers' modules for a model of its own, and for all that come after."""
    modules = modeling_llama, modeling_qwen2
    models = [
        one
        for module in modules
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == module.__name__
    ]
    before = [(one, dict(vars(one))) for one in (*modules, *models)]
    try:
        yield
    finally:
        for one, held in before:
            for name, value in held.items():
                if vars(one).get(name) is not value:
                    setattr(one, name, value)
