"""CPU seconds of the overlap filter on made-up replies whose phrases are common: 20 openings, 20 closings.

python benchmarks/overlap.py --overlap 0.5 --replies 20000 40000
"""

from __future__ import annotations

import argparse
import random
import resource
import time

from empathic.dialogues import sources
from empathic.recipe import Dialogues
from empathic.teacher.overlap import NearDuplicates


def replies(count: int, seed: int = 1) -> list[str]:
    """Replies that begin with one of few sentences, a few of them most of the time, and may end so too."""
    dice = random.Random(seed)
    found = sources.load_dialogues(Dialogues(), 42)
    sentences = sorted({part for d in found for reply in d.replies.values() for part in reply.text.split(". ")})
    words = sorted({word for sentence in sentences for word in sentence.lower().split()})
    common = [sentence for sentence in sentences if 8 <= len(sentence.split()) <= 12]
    dice.shuffle(common)

    def one_of(few: list[str]) -> str:
        return few[min(int(dice.paretovariate(0.7)) - 1, len(few) - 1)]

    def own() -> str:
        return " ".join(dice.choice(words) for _ in range(dice.randint(4, 14)))

    return [
        f"{one_of(common[:20])}. {own()}. {one_of(common[20:40]) if dice.random() < 0.3 else own()}."
        for _ in range(count)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--replies", type=int, nargs="+", default=[20_000, 40_000])
    asked = parser.parse_args()
    for count in asked.replies:
        texts, near = replies(count), NearDuplicates(asked.overlap)
        started = time.process_time()
        kept = sum(near.add(text) for text in texts)
        seconds = time.process_time() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{count:,} replies: {seconds:.1f} s, {kept:,} kept, {memory} MB at most", flush=True)


if __name__ == "__main__":
    main()
