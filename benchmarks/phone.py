"""How fast every file of the ladder answers and what memory it takes: in llama.cpp, and in a browser's page.

    python benchmarks/phone.py [--model smollm2-135m] [FILE.gguf ...]

The ladder is made of the untuned model: speed hangs on shapes and types of weights, not on their values. Each file
holds one conversation of eleven messages under the `brief` instruction: on one and on two threads of llama.cpp, and
those of `IN_BROWSER` in headless Chromium too, with threads, without, and with the build for browsers that lack 64-bit
memories (every iPhone's). Files that are named are measured in llama.cpp after the ladder. Rows go to
benchmarks/phone.json as they come; docs/phone.md shows them, beside what the memory's speed allows.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import phone_browser
import phone_native
from machine import machine

from empathic import files
from empathic.phone import convert, gguf_file, ladder, quantize
from empathic.student import load, prompt

OUT = Path(__file__).parent / "phone.json"
IN_BROWSER = ("q8_0", "q5_0", "q4_0", "iq4_nl")
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


def rows(path: Path, told: str, browser: bool) -> Iterator[Row]:
    """A row for each engine that the file is measured in."""
    for threads in range(1, min(len(os.sched_getaffinity(0)), 2) + 1):
        floor = phone_native.bandwidth(threads) * 1e9 / path.stat().st_size
        found = phone_native.measured(path, told, threads)
        yield {"engine": "llama.cpp", "threads": threads, **found, "memory_allows": round(floor, 1)}
    if browser:
        yield from phone_browser.measured(path, told)


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and memory of the files that an export writes.")
    parser.add_argument("files", type=Path, nargs="*", help="more GGUF files to measure in llama.cpp")
    parser.add_argument("--model", default="smollm2-135m")
    given = parser.parse_args()
    told = prompt.instruction("brief")
    kept: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in itertools.chain(made(given.model, Path(folder)), given.files):
            named = path in given.files
            about: Row = {"model": path.stem if named else given.model, "file": path.stem, "machine": machine()}
            about["mb"] = round(path.stat().st_size / 1e6)
            for row in rows(path, told, path.stem in IN_BROWSER and not named):
                kept.append({**about, **row})
                print(kept[-1], flush=True)
                files.write_json(OUT, kept)


if __name__ == "__main__":
    main()
