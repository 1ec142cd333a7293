"""Examples per second and peak memory of shared-prefix training beside stock TRL and LLaMA-Factory: `make bench`.

    python benchmarks/training.py [--rounds 3] [--batches 2,8,12,16] [--prompts full] [--steps sft,dpo] [--peers trl]

Same model, data, batch, dtype and threads; each measurement is a process of its own, ours and theirs in turn, and the
ratio is that of neighbours in time. A row holds the median of the rounds. Rows of cases that were not asked for stay
as they are in benchmarks/training.json; a bench that was stopped goes on, from runs/bench.json.

Stock TRL runs without activation checkpointing, its faster setting here, and with its default of computing DPO's
references in every step; ours computes them once, and its share of that pass over three epochs is counted in. `lean` is
ours with `gradient_checkpointing: true`, which LLaMA-Factory does by default.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EPOCHS = 3  # of the paper, over which one pass for the references is spread
TIMED = 16  # examples at least, after one step to warm up
MOST_STEPS = 4
OUT = Path(__file__).with_suffix(".json")
SO_FAR = Path("runs/bench.json")  # rounds of a bench that was stopped, which goes on from them


def measure(step: str, prompt: str, batch: int, peer: str) -> dict[str, float]:
    """Train a few steps in this process; examples per second and peak memory in MB."""
    from empathic.corpus import direct
    from empathic.dialogues import sources
    from empathic.errors import UserError
    from empathic.recipe import load_recipe

    of = {"batch_size": batch, "epochs": 1, "save_steps": 1000, "gradient_checkpointing": str(peer == "lean").lower()}
    settings = [f"student.prompt={prompt}", *(f"steps.{step}.{key}={value}" for key, value in of.items())]
    try:
        recipe = load_recipe("direct", settings)
        dialogues = sources.load_dialogues(recipe.dialogues, recipe.seed)
    except UserError:  # the rated 2,000 are not here
        recipe = load_recipe("demo", settings)
        dialogues = sources.load_dialogues(recipe.dialogues, recipe.seed)
    train = [d for d in dialogues if d.split == "train"]
    made: dict[str, list[Any]] = {"sft": [], "preferences": []}
    for one in direct.build(lambda: train, recipe.method, recipe.seed):
        made[one.part].append(one.row)
    rows = made["sft" if step == "sft" else "preferences"]
    timed = min(MOST_STEPS, math.ceil(TIMED / batch))
    rows = [rows[i * 7 % len(rows)] for i in range(batch * (1 + timed))]
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "sft"
        if step == "dpo":
            from empathic.student import training

            training.train_step("sft", made["sft"][:4], recipe, None, start, lambda done, total: None)
        if peer == "llamafactory":
            return _llamafactory(step, rows, recipe, start, batch, Path(folder))
        return _trl(step, rows, recipe, start, batch, Path(folder), shared=peer in ("ours", "lean"))


def _trl(
    step: str, rows: list[Any], recipe: Any, start: Path, batch: int, folder: Path, shared: bool
) -> dict[str, float]:
    """TRL's trainer with shared prefixes, or as it comes."""
    from empathic.recipe import Kernels
    from empathic.student import trainers, training

    reference = 0.0
    if shared:
        trainer_of: Any = trainers.SharedDPOTrainer
        precompute = trainer_of._precompute_ref_logps

        def timed(self: Any, *arguments: Any) -> Any:
            nonlocal reference
            started = time.perf_counter()
            found = precompute(self, *arguments)
            reference = (time.perf_counter() - started) / len(rows)
            return found

        trainer_of._precompute_ref_logps = timed
    else:
        recipe = recipe.model_copy(update={"kernels": Kernels(**dict.fromkeys(Kernels.model_fields, False))})
        stock = trainers.DPOConfig
        trainers.DPOConfig = lambda **keys: stock(**keys | {"precompute_ref_log_probs": False})
    adapter = start if step == "dpo" else None
    trainer = trainers.make_trainer(step, rows, recipe, adapter, folder / step)
    ends: list[float] = []
    training.train(trainer, folder / step, lambda done, total: ends.append(time.perf_counter()), lambda text: None)
    seconds = (ends[-1] - ends[0]) / (len(rows) - batch) + reference / EPOCHS
    return {"per_second": 1 / seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _llamafactory(step: str, rows: list[Any], recipe: Any, start: Path, batch: int, folder: Path) -> dict[str, float]:
    """LLaMA-Factory on the same rows and weights."""
    import llamafactory

    from empathic import models
    from empathic.student import load, prompt

    model = load.dequantised(models.gguf(recipe.student.model))
    system_prompt = prompt.instruction(recipe.student.prompt)
    return llamafactory.measure(step, rows, system_prompt, model, start, batch, folder)


Measured = dict[str, float]


def _apart(*arguments: Any) -> Measured | None:
    """`measure` in a process of its own; None where the system killed it, since memory ran out."""
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL) or "out of memory" in done.stderr:
        return None
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    found: Measured = json.loads(done.stdout.strip().splitlines()[-1])
    return found


Case = tuple[str, str, int]  # step, prompt, batch


def row(case: Case, peer: str, found: list[dict[str, Measured | None]]) -> dict[str, Any]:
    """Medians over rounds of a case beside one peer; ratios are of runs that are neighbours in time.

    Where one of them ran out of memory, its figures and the ratios are None.
    """
    step, prompt, batch = case
    pairs = [(ours, theirs) for once in found if (ours := once["ours"]) and (theirs := once[peer])]

    def median(whose: str, key: str, digits: int) -> float | None:
        values = [one[key] for once in found if (one := once[whose])]
        return round(statistics.median(values), digits) if len(values) == len(found) else None

    ratios = [ours["per_second"] / theirs["per_second"] for ours, theirs in pairs]
    memory = [ours["megabytes"] / theirs["megabytes"] for ours, theirs in pairs]
    return {
        "step": step,
        "prompt": prompt,
        "batch": batch,
        "peer": peer,
        "ours": median("ours", "per_second", 3),
        "theirs": median(peer, "per_second", 3),
        "ratio": round(statistics.median(ratios), 2) if ratios else None,
        "ratio_low": round(min(ratios), 2) if ratios else None,
        "ratio_high": round(max(ratios), 2) if ratios else None,
        "memory_ratio": round(statistics.median(memory), 2) if memory else None,
        "lean": median("lean", "per_second", 3),
        "megabytes_ours": median("ours", "megabytes", 0),
        "megabytes_lean": median("lean", "megabytes", 0),
        "megabytes_theirs": median(peer, "megabytes", 0),
        "rounds": len(found),
    }


def compare(cases: list[Case], peers: list[str], rounds: int) -> Iterator[list[dict[str, Any]]]:
    """All rows so far, after every case of every round: rounds lie apart in time, so a slow quarter of an hour of the
    machine is seen as spread."""
    found = _so_far(cases, peers)
    for number, case in itertools.product(range(rounds), cases):
        if len(found[case]) <= number:
            found[case].append({name: _apart(*case, name) for name in ("ours", "lean", *peers)})
            SO_FAR.parent.mkdir(exist_ok=True)
            SO_FAR.write_text(json.dumps([[*case, rounds] for case, rounds in found.items()]), encoding="utf-8")
        yield [row(case, peer, found[case]) for case in cases if found[case] for peer in peers]


def _so_far(cases: list[Case], peers: list[str]) -> dict[Case, list[dict[str, Measured | None]]]:
    """The rounds of each case that a stopped bench measured with these peers."""
    kept = json.loads(SO_FAR.read_text(encoding="utf-8")) if SO_FAR.exists() else []
    known = {(step, prompt, batch): rounds for step, prompt, batch, rounds in kept}
    return {case: [one for one in known.get(case, []) if one.keys() >= set(peers)] for case in cases}


def best(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Our best batch size against each peer's best, by step and prompt, and our best that takes no more memory."""
    for case in dict.fromkeys((row["step"], row["prompt"], row["peer"]) for row in rows):
        step, prompt, peer = case
        same = [row for row in rows if (row["step"], row["prompt"], row["peer"]) == case and row["ours"]]
        theirs = max((row for row in same if row["theirs"]), key=lambda row: row["theirs"], default=None)
        if theirs is None:
            continue
        yield f"{step}, {prompt} prompt: {peer} does {_at(theirs, 'theirs')}"
        every = [(row, whose) for row in same for whose in ("ours", "lean") if row[whose]]
        no_larger = [(row, whose) for row, whose in every if row[f"megabytes_{whose}"] <= theirs["megabytes_theirs"]]
        for what, among in (("our best", every), ("in no more memory", no_larger)):
            if among:
                ours, whose = max(among, key=lambda one: one[0][one[1]])
                again = ", activations computed again" if whose == "lean" else ""
                yield f"  {what}: {_at(ours, whose)}{again}, {ours[whose] / theirs['theirs']:.1f} times"


def _at(row: dict[str, Any], whose: str) -> str:
    return f"{row[whose]:.2f} a second at batch {row['batch']} in {row[f'megabytes_{whose}']:.0f} MB"


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The rows as lines of text."""
    yield f"{'step':5} {'prompt':7} {'batch':>5} {'peer':13} {'ours':>6} {'theirs':>6}  ratio (spread)      memory"
    for row in rows:
        case = f"{row['step']:5} {row['prompt']:7} {row['batch']:>5} {row['peer']:13}"
        ours, theirs = (f"{row[name]:.2f}" if row[name] else "none" for name in ("ours", "theirs"))
        spread, memory = "out of memory", ""
        if row["ratio"]:
            spread = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
            memory = f"{row['memory_ratio']:.2f}"
        yield f"{case} {ours:>6} {theirs:>6}  {spread:19} {memory}"


def main() -> None:
    if "--measure" in sys.argv:
        step, prompt, batch, peer = sys.argv[sys.argv.index("--measure") + 1 :]
        print(json.dumps(measure(step, prompt, int(batch), peer)))
        return
    parser = argparse.ArgumentParser(description="Training speed beside stock TRL and LLaMA-Factory.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", default="2,8,12,16")
    parser.add_argument("--prompts", default="full,brief")
    parser.add_argument("--steps", default="sft,dpo")
    parser.add_argument("--peers", default="trl,llamafactory")
    chosen = parser.parse_args()
    batches = [int(batch) for batch in chosen.batches.split(",")]
    cases: list[Case] = list(itertools.product(chosen.steps.split(","), chosen.prompts.split(","), batches))
    peers = chosen.peers.split(",")
    earlier = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else []
    other = [
        one for one in earlier if (one["step"], one["prompt"], one["batch"]) not in cases or one["peer"] not in peers
    ]
    rows: list[dict[str, Any]] = []
    for i, rows in enumerate(compare(cases, peers, chosen.rounds), 1):
        OUT.write_text(json.dumps(other + rows, indent=2) + "\n", encoding="utf-8")
        print(f"{i} of {chosen.rounds * len(cases)} measured", file=sys.stderr)
    SO_FAR.unlink(missing_ok=True)
    print(*table(rows), *best(rows), sep="\n")


if __name__ == "__main__":
    main()
