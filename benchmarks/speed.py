"""Examples per second of both steps on this machine: `make bench` (about two minutes on two cores).

One epoch over the first examples of the demo's corpus, batch 8, brief prompt. Timings are noisy: compare only
figures of one sitting.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

from empathic import recipe as recipes
from empathic.corpus import direct
from empathic.dialogues import load
from empathic.student import training
from empathic.terminal import console


def main(examples: int) -> None:
    recipe = recipes.load("demo", ["sft.epochs=1", "dpo.epochs=1", "sft.save_steps=1000", "dpo.save_steps=1000"])
    corpus = direct.build(load.load(recipe.dialogues, recipe.seed), recipe.method, recipe.seed)
    with tempfile.TemporaryDirectory() as folder:
        adapter = Path(folder) / "sft"
        sft = training.sft(corpus.sft[:examples], recipe, adapter, lambda done, total: None)
        pairs = corpus.preferences[:examples]
        dpo = training.dpo(pairs, recipe, adapter, Path(folder) / "dpo", lambda done, total: None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    console.print(f"SFT {sft['examples_per_second']:.2f} examples a second, DPO {dpo['examples_per_second']:.2f} pairs")
    console.print(f"n = {examples} each, peak memory {peak:.1f} GB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 48)
