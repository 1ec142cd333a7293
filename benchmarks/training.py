"""Examples per second and peak memory of shared-prefix training beside stock TRL: `make bench`.

    python benchmarks/training.py [--rounds 3] [--batches 2,8,16] [--prompts full,brief] [--steps sft,dpo]

Same model, data, batch, dtype and threads; each measurement is a process of its own, ours and theirs in turn, and the
ratio is that of neighbours in time. Stock TRL runs without activation checkpointing, its faster setting here, and with
its default of computing DPO's references in every step; ours computes them once, and its share of that pass over three
epochs is counted in. Writes benchmarks/training.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EPOCHS = 3  # of the paper, over which one pass for the references is spread
TIMED = 2  # steps, after one to warm up
OUT = Path(__file__).with_suffix(".json")


def measure(step: str, prompt: str, batch: int, peer: str) -> dict[str, float]:
    """Train a few steps in this process; examples per second and peak memory in MB."""
    from empathic import recipe as recipes
    from empathic.corpus import direct
    from empathic.dialogues import load
    from empathic.errors import UserError
    from empathic.student import training

    settings = [f"student.prompt={prompt}", f"{step}.batch_size={batch}", f"{step}.epochs=1", f"{step}.save_steps=1000"]
    try:
        recipe = recipes.load("direct", settings)
        dialogues = load.load(recipe.dialogues, recipe.seed)
    except UserError:  # the rated 2,000 are not here
        recipe = recipes.load("demo", settings)
        dialogues = load.load(recipe.dialogues, recipe.seed)
    corpus = direct.build(dialogues, recipe.method, recipe.seed)
    rows = corpus.sft if step == "sft" else corpus.preferences
    rows = [rows[i * 7 % len(rows)] for i in range(batch * (1 + TIMED))]
    reference = 0.0
    if peer == "trl":
        training.share_prefixes = lambda model: "stock"  # type: ignore[attr-defined]
        stock = training.DPOConfig
        training.DPOConfig = lambda **keys: stock(**keys | {"precompute_ref_log_probs": False})  # type: ignore[misc]
    else:
        precompute = training._Dpo._precompute_ref_logps

        def timed(self: Any, *arguments: Any) -> Any:
            nonlocal reference
            started = time.perf_counter()
            found = precompute(self, *arguments)
            reference = (time.perf_counter() - started) / len(rows)
            return found

        training._Dpo._precompute_ref_logps = timed  # type: ignore[method-assign]
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "sft"
        if step == "dpo":
            training.sft(corpus.sft[:4], recipe, start, lambda done, total: None)
            trainer: Any = training.dpo_trainer(rows, recipe, start, Path(folder) / "dpo")
        else:
            trainer = training.sft_trainer(rows, recipe, start)
        training._train(
            trainer, Path(folder) / step, lambda done, total: ends.append(time.perf_counter()), lambda t: None
        )
    seconds = (ends[-1] - ends[0]) / (batch * TIMED) + reference / EPOCHS
    return {"per_second": 1 / seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _apart(*arguments: Any) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def compare(steps: list[str], prompts: list[str], batches: list[int], rounds: int) -> Iterator[dict[str, Any]]:
    """A row for every step, prompt and batch size: medians over rounds, ratios of runs that are neighbours in time."""
    for step in steps:
        for prompt in prompts:
            for batch in batches:
                pairs = [tuple(_apart(step, prompt, batch, who) for who in ("ours", "trl")) for _ in range(rounds)]
                ratios = [ours["per_second"] / theirs["per_second"] for ours, theirs in pairs]
                yield {
                    "step": step,
                    "prompt": prompt,
                    "batch": batch,
                    "peer": "trl",
                    "ours": round(statistics.median(ours["per_second"] for ours, _ in pairs), 3),
                    "theirs": round(statistics.median(theirs["per_second"] for _, theirs in pairs), 3),
                    "ratio": round(statistics.median(ratios), 2),
                    "ratio_low": round(min(ratios), 2),
                    "ratio_high": round(max(ratios), 2),
                    "memory_ratio": round(statistics.median(o["megabytes"] / t["megabytes"] for o, t in pairs), 2),
                    "rounds": rounds,
                }


def best(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Our best batch size against the peer's best, by step and prompt."""
    for step, prompt in dict.fromkeys((row["step"], row["prompt"]) for row in rows):
        same = [row for row in rows if (row["step"], row["prompt"]) == (step, prompt)]
        ours, theirs = max(row["ours"] for row in same), max(row["theirs"] for row in same)
        yield f"{step}, {prompt} prompt: best {ours:.2f} against {theirs:.2f} a second, {ours / theirs:.1f} times"


def main() -> None:
    if "--measure" in sys.argv:
        step, prompt, batch, peer = sys.argv[sys.argv.index("--measure") + 1 :]
        print(json.dumps(measure(step, prompt, int(batch), peer)))
        return
    parser = argparse.ArgumentParser(description="Training speed beside stock TRL.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", default="2,8,16")
    parser.add_argument("--prompts", default="full,brief")
    parser.add_argument("--steps", default="sft,dpo")
    chosen = parser.parse_args()
    rows = []
    print(f"{'step':5} {'prompt':7} {'batch':>5} {'ours':>6} {'TRL':>6}  ratio (spread)      memory")
    batches = [int(batch) for batch in chosen.batches.split(",")]
    for row in compare(chosen.steps.split(","), chosen.prompts.split(","), batches, chosen.rounds):
        rows.append(row)
        OUT.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        spread = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
        figures = f"{row['batch']:>5} {row['ours']:>6.2f} {row['theirs']:>6.2f}  {spread:19}"
        print(f"{row['step']:5} {row['prompt']:7} {figures} {row['memory_ratio']:.2f}", flush=True)
    print(*best(rows), sep="\n")


if __name__ == "__main__":
    main()
