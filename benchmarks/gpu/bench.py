"""What training costs on a GPU beside stock TRL, once it is shown to be right: `make bench-gpu`.

    python benchmarks/gpu/bench.py [--sizes 8b,0.5b,1b] [--steps sft,dpo] [--minutes 7] [--out benchmarks/gpu.json]

Weights are random in the shapes of Qwen2.5 0.5B, Llama 3.2 1B and Llama 3.1 8B; rows are Everyday's, under the `full`
prompt. Each check holds loss and gradients of a step, in float32 and in bfloat16, against stock TRL's in float32, and
looks through sixty steps for a number that is none. Each case then trains as `empathic run` does, a few steps at each
batch; its seconds are the median step's, its memory the most that PyTorch held; stock TRL has cuDNN's attention too.
All steps of a case have the same batch, so that nothing is compiled or planned in those that count: cuDNN's attention
plans for a second whenever a length is new. Where bitsandbytes is, an SFT in 4 bits is measured too, alone. A row is
kept as it comes; what was not begun within the minutes is named. Without a GPU the tiny shapes try the script.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import itertools
import json
import math
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import random_students
import torch
from peers import RANK, recipe_of, stock_models, trainer_of
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import SequentialSampler

from empathic import files
from empathic.corpus import direct
from empathic.dialogues import sources
from empathic.recipe import Recipe, load_recipe
from empathic.student import budget, placement, training
from empathic.student.shape import shape_of

GPU = torch.cuda.is_available()
WARM, TIMED, EPOCHS = 2, 4, 3  # steps of each; epochs over which a pass for DPO's references is spread
BATCHES = {"sft": (64, 32, 16), "dpo": (32, 16, 4)} if GPU else {"sft": (4,), "dpo": (2,)}
STOCK = {"8b": {"sft": 32, "dpo": 16}}  # the largest that 141 GB hold of stock TRL's
ALL = [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
Rows = dict[str, list[dict[str, Any]]]


def corpus() -> Rows:
    """Everyday's rows of the demo, by step."""
    recipe = load_recipe("demo", [])
    train = [one for one in sources.load_dialogues(recipe.dialogues, recipe.seed) if one.split == "train"]
    made: Rows = {"sft": [], "dpo": []}
    for one in direct.build(lambda: train, recipe.method, recipe.seed):
        made["sft" if one.part == "sft" else "dpo"].append(one.row)
    return made


def first(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many rows, from the beginning again where there are fewer."""
    return list(itertools.islice(itertools.cycle(rows), count))


def first_step(trainer: Any) -> tuple[float, torch.Tensor]:
    """Loss and gradients of the first batch, in float32, the adapter moved off zero."""
    dice = torch.Generator().manual_seed(3)
    for name, weight in trainer.model.named_parameters():
        if "lora_B.default" in name:
            weight.data += 0.05 * torch.randn(weight.shape, generator=dice).to(weight)
    size = trainer.args.per_device_train_batch_size
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(size)])
    batch = trainer._prepare_inputs(batch)
    trainer.model.train()
    with sdpa_kernel(training._ATTENTION), trainer.accelerator.autocast():
        loss = trainer.compute_loss(trainer.model, batch)
    trainer.accelerator.backward(loss)
    grads = [weight.grad.float().flatten() for weight in trainer.model.parameters() if weight.grad is not None]
    return loss.item(), torch.cat(grads).cpu()


def check(size: str, step: str, rows: Rows, folder: Path) -> dict[str, Any]:
    """Whether a step's loss and gradients are stock TRL's, and whether sixty steps stay numbers."""
    random_students.use(size)
    adapter = random_students.adapter(size, RANK, folder / "adapter")
    batch = 4
    found: dict[str, Any] = {"check": size, "step": step}
    steps = {}
    for kind, peer in itertools.product(("float32", "bfloat16"), ("ours", "trl")):
        recipe = recipe_of(step, batch, peer, kind)
        trainer = trainer_of(step, first(rows[step], 8), recipe, peer, adapter, folder / f"{kind}-{peer}")
        if peer == "ours":
            found[f"off in {kind}"] = trainer.kernels_off
        steps[kind, peer] = first_step(trainer)
    exact_loss, exact = steps["float32", "trl"]
    for (kind, peer), (loss, grads) in steps.items():
        apart = float((grads - exact).norm() / exact.norm())
        found[f"{peer}, {kind}"] = {"loss": round(loss - exact_loss, 6), "gradients": round(apart, 6)}
    ours, theirs = (found[f"{peer}, bfloat16"] for peer in ("ours", "trl"))
    exactly = found["ours, float32"]
    right = exactly["gradients"] < 1e-3 and abs(exactly["loss"]) < 1e-4
    right &= ours["gradients"] <= 1.5 * theirs["gradients"] or not math.isfinite(theirs["gradients"])
    right &= not {"flex_attention", "prefix_sharing"} & {*found["off in float32"], *found["off in bfloat16"]}
    recipe = recipe_of(step, batch, "ours")
    trainer = trainer_of(step, first(rows[step], 60 * batch), recipe, "ours", adapter, folder / "sixty")
    result = training.train(trainer, folder / "adapted", lambda done, total: None, lambda text: None)
    found["steps"] = len(result["history"])
    found["ok"] = right and found["steps"] == 60  # a loss or gradient that is not finite stops a training
    return found


def time_of(size: str, step: str, batch: int, peer: str, rows: Rows, folder: Path) -> dict[str, Any]:
    """Examples a second and memory of a case."""
    random_students.use(size)
    adapter = random_students.adapter(size, RANK, folder / "adapter")
    some, stock = first(rows[step][:batch], batch * (WARM + TIMED)), peer.startswith("trl")
    found: dict[str, Any] = {"size": size, "step": step, "batch": batch, "peer": peer, "dtype": placement.place().dtype}
    ends: list[float] = []

    def done(at: int, total: int) -> None:
        if GPU:
            torch.cuda.synchronize()
        ends.append(time.perf_counter())

    started = time.perf_counter()
    recipe = recipe_of(step, batch, peer)
    trainer = trainer_of(step, some, recipe, peer, adapter, folder / "step")
    before = time.perf_counter() - started
    trainer._get_train_sampler = lambda *_: SequentialSampler(trainer.train_dataset)
    if GPU:
        torch.cuda.reset_peak_memory_stats()  # a model in 4 bits was whole once
    with mock.patch.object(training, "_ATTENTION", ALL if stock else training._ATTENTION):
        training.train(trainer, folder / "step", done, lambda text: None)
    seconds = statistics.median(b - a for a, b in itertools.pairwise(ends[WARM - 1 :])) / batch
    found["off"] = trainer.kernels_off
    if step == "dpo" and not stock:
        reference = _reference(trainer, batch)
        found["reference"] = round(reference, 5)
        seconds += reference / EPOCHS
    found |= {"per_second": round(1 / seconds, 2), "set up": round(before, 1)}
    tokens = [_tokens(trainer.train_dataset[i]) for i in range(len(some))]
    found["tokens_per_second"] = round(sum(tokens) / len(tokens) / seconds)
    if GPU:
        found["gigabytes"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    found["reckoned"] = _reckoned(size, step, recipe, not stock, trainer)
    return found


def _reference(trainer: Any, batch: int) -> float:
    """Seconds an example of the pass for references, which ours makes once."""
    data = trainer.train_dataset.select(range(min(len(trainer.train_dataset), 2 * batch)))
    trainer._references(data, batch)
    started = time.perf_counter()
    trainer._references(data, batch)
    return (time.perf_counter() - started) / len(data)


def _tokens(row: dict[str, Any]) -> int:
    """How many tokens stock TRL runs of a row, padding aside."""
    if "input_ids" in row:
        return len(row["input_ids"])
    return 2 * len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"])


def _reckoned(size: str, step: str, recipe: Recipe, shared: bool, trainer: Any) -> str | None:
    """What the forecast says of the case's memory."""
    shape = shape_of(random_students.config(size))
    if shape is None:
        return None
    rows = [trainer.train_dataset[i] for i in range(min(len(trainer.train_dataset), 200))]
    if step == "sft":
        said = [sum(label != -100 for label in row["labels"]) for row in rows]
        whole = [len(row["input_ids"]) for row in rows]
    else:
        said = [(len(row["chosen_ids"]) + len(row["rejected_ids"])) // 2 for row in rows]
        whole = [len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"])) for row in rows]
    firsts = [row["input_ids"] if step == "sft" else row["prompt_ids"] for row in rows]
    told = next((i for i, same in enumerate(zip(min(firsts), max(firsts), strict=False)) if same[0] != same[1]), 0)
    mean = statistics.mean
    asked = round(mean(whole) - told - mean(said))
    lengths = budget.Lengths(told, max(asked, 1), round(mean(said)), max(whole))
    return str(budget.needed(recipe.step(step), shape, placement.of(recipe.student), RANK, lengths, shared))


def _free() -> None:
    """Let the case before go, whose frames are left by now; the peak is of the next one alone."""
    gc.collect()
    if GPU:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def cases(sizes: list[str], steps: list[str]) -> Iterator[tuple[str, Callable[..., dict[str, Any]], tuple[Any, ...]]]:
    """What is done, in order: checks, the largest batches beside stock TRL's, smaller ones, other ways of ours last."""
    for family, step in itertools.product(("tiny", "tiny-qwen2"), steps):
        yield f"check {family} {step}", check, (family, step)
    beside = ["ours", "trl", *(["trl, liger"] if importlib.util.find_spec("liger_kernel") else [])]
    tried = {
        (size, step, peer): [
            one for one in BATCHES[step] if peer == "ours" or one <= STOCK.get(size, {}).get(step, one)
        ]
        for size, step, peer in itertools.product(sizes, steps, beside)
    }
    told = [(*of, batches[rank]) for rank in range(3) for of, batches in tried.items() if rank < len(batches)]
    if GPU and importlib.util.find_spec("bitsandbytes") and "sft" in steps:
        told.insert(len(tried), (sizes[0], "sft", "ours, 4 bits", 1))
    told += [(size, step, "ours, dense mask", BATCHES[step][0]) for size, step in itertools.product(sizes, steps)]
    for size, step, peer, batch in told:
        yield f"{size} {step} {batch} {peer}", time_of, (size, step, batch, peer)


def main() -> None:
    parser = argparse.ArgumentParser(description="Training on a GPU, beside stock TRL.")
    parser.add_argument("--sizes", default="8b,0.5b,1b" if GPU else "tiny")
    parser.add_argument("--steps", default="sft,dpo")
    parser.add_argument("--minutes", type=float, default=7, help="after which nothing but the first check is begun")
    parser.add_argument("--out", type=Path, help="a JSON file for the rows")
    chosen = parser.parse_args()
    ends = time.monotonic() + 60 * chosen.minutes
    warnings.simplefilter("ignore", FutureWarning)  # transformers' of its own settings, once a case
    device = torch.cuda.get_device_name() if GPU else "no GPU"
    kept: list[dict[str, Any]] = []
    rows, left = corpus(), []
    for name, work, arguments in cases(chosen.sizes.split(","), chosen.steps.split(",")):
        if kept and time.monotonic() > ends:
            left.append(name)
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                with stock_models():
                    found = work(*arguments, rows, Path(folder))
            except Exception as error:  # one case that fails leaves the others to be measured
                why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                full = "out of memory" in why
                found = {"case": name, "out of memory": True} if full else {"failed": name, "why": why}
        _free()
        kept.append(found | {"device": device, "torch": torch.__version__})
        print(json.dumps(kept[-1]), flush=True)
        if chosen.out:
            files.write_json(chosen.out, kept)
    if left:
        print(f"not begun: {'; '.join(left)}", file=sys.stderr)
    if any("failed" in row or not row.get("ok", True) for row in kept):
        sys.exit(1)


if __name__ == "__main__":
    main()
