"""Memory that a corpus takes before the first step: `python benchmarks/corpus.py [ROWS]`, 200,000 unless told."""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from empathic.student.encoded import encoded, lengths
from empathic.student.lessons import Lessons, Row

ASKED, SAID = 160, 40  # tokens of a prompt and of a reply


def main(count: int) -> None:
    dice = random.Random(0)

    def encode(row: Row) -> dict[str, list[int]]:
        """Tokens as many as a typical row's: what a tokenizer takes in time isn't looked at."""
        ids = [dice.randrange(300, 49000) for _ in range(ASKED + SAID)]
        return {"input_ids": ids, "labels": [-100] * ASKED + ids[ASKED:]}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        with path.open("w", encoding="utf-8") as out:
            for i in range(count):
                out.write(json.dumps({"id": f"d{i}", "prompt": f"{i} said " * 60, "completion": "I see. " * 15}) + "\n")
        rows = Lessons(path)
        before, started = _peak(), time.monotonic()
        tokens = encoded(lambda: iter(rows), encode, Path(folder))
        assert len(tokens) == count and lengths(tokens, "input_ids").max() == ASKED + SAID
        disk = sum(one.stat().st_size for one in Path(folder).glob("*.arrow"))
        print(
            f"{count:,} rows: {_peak() - before:.0f} MB of memory more at the peak, {disk / 1e6:.0f} MB on disk, "
            f"{time.monotonic() - started:.0f} s"
        )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
