"""Claim 2 on Everyday: do targeted replies teach a small student better than direct ones do?

    python benchmarks/targeted.py [--out runs/targeted] [--seeds 1,2,3] [--dialogues 1024] [--set KEY=VALUE]
    empathic read sheets runs/targeted/*/ --out readings        # and have them read (docs/reading.md)
    python benchmarks/targeted.py --read benchmarks/targeted.jsonl

For every seed two students, alike but for whose replies they learn from: `direct` and `targeted` ones to the same train
dialogues. Each is a run of its own that ends with its replies to the same test dialogues and goes on where it was
killed. `--read` prints the difference of each seed's two students and of all, paired by message, from readings.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from empathic import files
from empathic.cli.progress import Progress
from empathic.dialogues import sources
from empathic.pipeline import runner
from empathic.recipe import Dialogues, Recipe, load_recipe

ARMS = ("direct", "targeted")
LAST = "sft"


def matched(count: int) -> list[dict[str, object]]:
    """Everyday's test dialogues, and train dialogues that have both replies; the same ones whatever the seed."""
    every = sources.load_dialogues(Dialogues(source="everyday"), seed=0)
    both = [d for d in every if d.split == "train" and set(ARMS) <= d.replies.keys()]
    tests = [d for d in every if d.split == "test" and d.emotion]  # those without are questions to any assistant
    return [d.to_row() for d in (*random.Random(0).sample(both, count), *tests)]


def student(folder: Path, arm: str, seed: int, own: list[str]) -> Recipe:
    """The demo's first step, on one of the two."""
    settings = [
        f"name={arm}-{seed}",
        f"dialogues={{source: {folder / 'matched.jsonl'}, split: source}}",
        f"method={{name: direct, teachers: [{arm}]}}",
        f"steps=[{{name: {LAST}, epochs: 1, learning_rate: 1.0e-3, batch_size: 8, lora_rank: 16}}]",
        "sample={systems: {base: 0}, references: {}}",
        f"seed={seed}",
    ]
    return load_recipe("demo", [*settings, *own])


def print_differences(readings: Path) -> None:
    """How much better `targeted` is read than `direct`, by seed and by the mean of all seeds' replies to a message."""
    graded: dict[str, dict[str, dict[str, float]]] = {"sendable": defaultdict(dict), "grades": defaultdict(dict)}
    for row in files.read_jsonl(readings):
        system = row["system"].split("/")[0]
        graded["sendable"][system].setdefault(row["id"], float(row["send"]))  # the first reading counts
        grades = row["understood"] + row["feeling"] + row["sense"]
        graded["grades"][system].setdefault(row["id"], grades / 6)
    seeds = sorted({system.partition("-")[2] for system in graded["sendable"]})
    for measure, of in graded.items():
        by_seed = [{id: of[f"targeted-{n}"][id] - of[f"direct-{n}"][id] for id in of[f"direct-{n}"]} for n in seeds]
        for seed, found in zip(seeds, by_seed, strict=True):
            print(f"{measure}, seed {seed}: {_interval(list(found.values()))}")
        means = [sum(found[id] for found in by_seed) / len(seeds) for id in by_seed[0]]
        print(f"{measure}, mean of the seeds: {_interval(means)}")


def _interval(differences: Sequence[float]) -> str:
    """Their mean with Student's interval: they are of different messages."""
    from scipy.stats import ttest_1samp

    tested = ttest_1samp(differences, 0.0)
    low, high = tested.confidence_interval(0.95)
    mean = sum(differences) / len(differences)
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f}, p = {tested.pvalue:.3f}, n = {len(differences)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/targeted"))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--dialogues", type=int, default=1024)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--read", type=Path)
    said = parser.parse_args()
    if said.read:
        return print_differences(said.read)
    folder = said.out.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    files.write_jsonl(folder / "matched.jsonl", matched(said.dialogues))
    for seed in said.seeds.split(","):
        for arm in ARMS:
            recipe = student(folder, arm, int(seed), said.settings)
            with Progress() as display:
                runner.run_pipeline(recipe, folder / recipe.name, display, until="replies")


if __name__ == "__main__":
    main()
