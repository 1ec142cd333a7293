"""What sharing prefixes brings on a GPU: examples a second and peak memory beside no sharing, and beside the forecast.

    python benchmarks/gpu/sharing.py [--models llama-3.2-1b-instruct,llama-3.1-8b-instruct] [--batches 2,16,64] [--lean]

Weights are random in the shape of the model, so that nothing has to be fetched: speed and memory are those of the real
one, rounding isn't. A row of tokens is an instruction of 150, which all share, a message and a reply of 40 on average.
Without a GPU, `--models tiny` tries the script itself. Prints a JSON row a case; one that ran out of memory says so.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import time
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.attention import sdpa_kernel
from transformers import AutoConfig, AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from empathic import models
from empathic.recipe import Kernels
from empathic.recipe.steps import Sft
from empathic.student import budget, placement
from empathic.student.budget import Lengths
from empathic.student.kernels.optimize import optimize_model
from empathic.student.kernels.probe import Probe
from empathic.student.shape import shape_of
from empathic.student.training import _ATTENTION

TOLD, EACH = 150, (20, 60)  # tokens of the instruction; of a message and of a reply, from and to
RANK, WARM, TIMED = 16, 2, 6
TINY = models.Hub("tiny", "", "llama", {"vocab_size": 500, "hidden_size": 64, "intermediate_size": 128})


def rows(batch: int, words: int, device: str, dice: torch.Generator) -> dict[str, torch.Tensor]:
    """A padded batch, [B, L]."""
    told = torch.randint(1, words, (TOLD,), generator=torch.Generator().manual_seed(1)).tolist()
    sizes = torch.randint(*EACH, (batch, 2), generator=dice).tolist()
    width = TOLD + max(map(sum, sizes))
    ids, seen = torch.zeros(batch, width, dtype=torch.long), torch.zeros(batch, width, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for i, (asked, said) in enumerate(sizes):
        own = torch.randint(1, words, (asked + said,), generator=dice)
        ids[i, : TOLD + asked + said] = torch.cat([torch.tensor(told), own])
        seen[i, : TOLD + asked + said] = 1
        labels[i, TOLD + asked : TOLD + asked + said] = own[asked:]
    return {"input_ids": ids.to(device), "attention_mask": seen.to(device), "labels": labels.to(device)}


def measure(name: str, batch: int, shared: bool, lean: bool) -> dict[str, Any]:
    """One case."""
    hub = models.HUB.get(name, TINY)
    config = AutoConfig.for_model(hub.family, **hub.shape)
    placed = placement.place()
    torch.manual_seed(0)
    with torch.device(placed.device):
        base: Any = AutoModelForCausalLM.from_config(config, dtype=placed.torch_dtype)
    add_fused_lm_head(base)
    model: Any = get_peft_model(base, LoraConfig(r=RANK, target_modules="all-linear", task_type="CAUSAL_LM"))
    found: dict[str, Any] = {"model": name, "batch": batch, "shared": shared, "lean": lean, "dtype": placed.dtype}
    if lean:
        model.activation_checkpointing_enable()
        model.enable_input_require_grads()
    probe = Probe(base)
    found["spread"] = [round(probe.largest, 4), round(probe.usual, 4)]
    found["off"] = optimize_model(model, Kernels(prefix_sharing="auto" if shared else False))
    optimizer = torch.optim.AdamW(weight for weight in model.parameters() if weight.requires_grad)
    dice = torch.Generator().manual_seed(2)
    model.train()
    gpu = placed.device != "cpu"
    for step in range(WARM + TIMED):
        if step == WARM:
            if gpu:
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
            started = time.perf_counter()
        given = rows(batch, config.vocab_size, placed.device, dice)
        with (
            sdpa_kernel(_ATTENTION),
            torch.autocast(placed.device.split(":")[0], torch.bfloat16, enabled=placed.rounds),
        ):
            loss = model(**given, fused_lm_head=True).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    if gpu:
        torch.cuda.synchronize()
        found["gigabytes"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    found["per_second"] = round(batch * TIMED / (time.perf_counter() - started), 2)
    if shape := shape_of(config):
        step_of = Sft(name="sft", kind="sft", batch_size=batch, gradient_checkpointing=lean)
        lengths = Lengths(TOLD, sum(EACH) // 2, sum(EACH) // 2, TOLD + 2 * EACH[1])
        found["reckoned"] = str(budget.needed(step_of, shape, placed, RANK, lengths, shared))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Sharing prefixes on a GPU, beside no sharing.")
    parser.add_argument("--models", default="llama-3.2-1b-instruct,llama-3.1-8b-instruct")
    parser.add_argument("--batches", default="2,16,64")
    parser.add_argument("--lean", action="store_true", help="with activations computed again")
    chosen = parser.parse_args()
    batches = [int(batch) for batch in chosen.batches.split(",")]
    for name, batch, shared in itertools.product(chosen.models.split(","), batches, (True, False)):
        try:
            found = measure(name, batch, shared, chosen.lean)
        except torch.OutOfMemoryError:
            found = {"model": name, "batch": batch, "shared": shared, "lean": chosen.lean, "out of memory": True}
        print(json.dumps(found), flush=True)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
