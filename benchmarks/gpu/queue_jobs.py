"""Run jobs side by side on one GPU, as memory and models allow: `students.py` many times at once.

    python benchmarks/gpu/queue_jobs.py QUEUE.json OUT GIGABYTES SLOTS

QUEUE.json: [{"name", "needs": FOLDER of a model, "gigabytes", "command": [...]}, ...]; a job starts once its model's
folder holds a file `ready`, so that the first train while the next model is still on its way. Contexts of several
processes share a GPU by time: three trainings ran at a third of the speed each (H200), so that more than three at a
time win nothing but waiting.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Start what fits until all have ended; OUT/queue.log tells of each."""
    queue: list[dict[str, Any]] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    out, memory, slots = Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
    with (out / "queue.log").open("a", encoding="utf-8") as log:
        while queue or running:
            for name, (process, _) in list(running.items()):
                if process.poll() is not None:
                    print(f"{time.time():.0f} {name} ended with {process.returncode}", file=log, flush=True)
                    del running[name]
            for job in list(queue):
                used = sum(gigabytes for _, gigabytes in running.values())
                fits = len(running) < slots and used + job["gigabytes"] <= memory
                if fits and (Path(job["needs"]) / "ready").exists():
                    with (out / f"{job['name']}.out").open("wb") as said:
                        process = subprocess.Popen(job["command"], stdout=said, stderr=subprocess.STDOUT)
                    running[job["name"]] = process, job["gigabytes"]
                    queue.remove(job)
            time.sleep(0.3)


if __name__ == "__main__":
    main()
