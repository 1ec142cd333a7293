"""How fast llama.cpp reads and writes with every file of the ladder, and what memory it takes, on this machine.

    python benchmarks/phone.py [--model smollm2-135m] [--times 5] [FILE.gguf ...]

The ladder is made of the untuned model: speed hangs on shapes and types of weights, not on their values. Each file is
loaded by a process of its own, with a context of 1,024 tokens, and reads a prompt of some 250 tokens and writes 64, on
one thread and on two where there are two cores. Files that are named are measured too. Rows go to
benchmarks/phone.json. What phones do is reckoned from them and from others' figures in docs/phone.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import tempfile
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from machine import machine

from empathic import files
from empathic.endpoints import llama_cpp
from empathic.phone import convert, gguf_file, ladder, quantize
from empathic.student import load

OUT = Path(__file__).parent / "phone.json"
CONTEXT, SAID, WRITTEN = 1024, "We sat by the river until it was dark and nobody wanted to go home. " * 16, 64
Row = dict[str, Any]


def made(model: str, folder: Path) -> Iterator[Path]:
    """The files of the ladder, one after the other; each goes when the next is asked for."""
    load.merge(model, None, None, folder / "merged")
    convert.convert(folder / "merged", folder / "source.gguf", "f32")
    source = quantize.Source(folder / "source.gguf")
    for quant in ladder.QUANTS:
        written = folder / "written.gguf"
        quantize.quantize(source, written, quant)
        path = written.rename(folder / f"{ladder.honest_name(quant, gguf_file.read(written).shares)}.gguf")
        yield path
        path.unlink()


def measured(path: Path, threads: int, times: int) -> Row:
    """Tokens a second of reading and of writing, the medians, and what memory the file takes, in MB."""
    before = _memory()
    server = llama_cpp.load(path, threads, n_parallel=1, n_ctx=CONTEXT)
    found = [_timings(server.listening_address) for _ in range(times + 1)][1:]
    after = _memory()
    return {
        **{"threads": threads, "n": times},
        "read": round(statistics.median(one["prompt_per_second"] for one in found), 1),
        "write": round(statistics.median(one["predicted_per_second"] for one in found), 1),
        **{name: round(after[name] - before[name]) for name in after},
    }


def _timings(address: str) -> dict[str, float]:
    asked = {"prompt": SAID, "n_predict": WRITTEN, "ignore_eos": True, "temperature": 0, "cache_prompt": False}
    head = {"content-type": "application/json"}
    request = urllib.request.Request(f"{address}/completion", json.dumps(asked).encode(), head)
    with urllib.request.urlopen(request, timeout=600) as answer:
        timings: dict[str, float] = json.load(answer)["timings"]
    return timings


def _memory() -> dict[str, float]:
    """This process's memory in MB: its own, and a mapped file's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    own, mapped = (int(status.split(f"{key}:")[1].split()[0]) * 1024 / 1e6 for key in ("RssAnon", "RssFile"))
    return {"own_mb": own, "mapped_mb": mapped}


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and memory of the files that an export writes.")
    parser.add_argument("files", type=Path, nargs="*", help="more GGUF files to measure")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    rows: list[Row] = []
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        for path in itertools.chain(made(given.model, Path(folder)), given.files):
            model = given.model if path not in given.files else path.stem
            about = {"file": path.stem, "model": model, "mb": round(path.stat().st_size / 1e6), "machine": machine()}
            for threads in range(1, min(cores, 2) + 1):
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                    rows.append({**about, **pool.submit(measured, path, threads, given.times).result()})
                print(json.dumps(rows[-1]), flush=True)
    files.write_json(OUT, rows)


if __name__ == "__main__":
    main()
