"""How long the safety gate takes a message, in Python and in Chromium at a fourfold slowed CPU.

    python benchmarks/gate_speed.py

Messages are those of the gate's test files (`benchmarks/safety/*.jsonl`), each read once by a gate that hasn't seen it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import chromium
from machine import machine

from empathic import files
from empathic.safety import replies, spec
from empathic.safety.gate import Gate

N, SLOWED = 1000, 4
RUN = """
async ([tables, replies, helplines, texts]) => {
  const { Gate } = await import("/gate.js");
  const gate = Gate.load(tables, replies, helplines), took = [];
  for (const content of texts) {
    const start = performance.now();
    gate.check([{ role: "user", content }], "GB");
    took.push(performance.now() - start);
  }
  return took;
}
"""


def messages() -> list[str]:
    """The first `N` messages of the test files, the files in turn."""
    paths = sorted((Path(__file__).parent / "safety").glob("test*.jsonl"))
    texts = [[row["text"] for row in files.read_jsonl(path)] for path in paths]
    turns = [text for at in range(max(map(len, texts))) for one in texts for text in one[at : at + 1]]
    return turns[:N]


def in_python(texts: Sequence[str]) -> list[float]:
    """Milliseconds a message."""
    gate, took = Gate.load(), []
    for text in texts:
        start = time.perf_counter()
        gate.check([{"role": "user", "content": text}], "GB")
        took.append(1000 * (time.perf_counter() - start))
    return took


def in_chromium(texts: Sequence[str], slowed: int) -> list[float]:
    """Milliseconds a message, in a page whose CPU is slowed so many times."""
    from playwright.sync_api import Route

    package = resources.files("empathic") / "safety"
    scripts = {name: (package / name).read_text(encoding="utf-8") for name in ("gate.js", "reader.js")}
    tables, ours = (spec.FOLDER / "gate.json").read_text(encoding="utf-8"), replies.package()

    def serve(route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        kind = "text/javascript" if name in scripts else "text/html"
        route.fulfill(body=scripts.get(name, "<!doctype html>"), content_type=kind)

    with chromium.page() as page:
        page.route("**/*", serve)
        page.goto("http://gate.test/")
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
        took: list[float] = page.evaluate(RUN, [tables, ours.texts, ours.table, list(texts)])
    return took


def main() -> None:
    """Print a row a place."""
    texts = messages()
    print(machine())
    for name, took in (
        ("Python", in_python(texts)),
        ("Chromium", in_chromium(texts, 1)),
        (f"Chromium, CPU slowed {SLOWED} times", in_chromium(texts, SLOWED)),
    ):
        cuts = statistics.quantiles(took, n=100)
        print(f"{name}: median {statistics.median(took):.2f} ms, 99% under {cuts[98]:.2f} ms, n = {len(took)}")


if __name__ == "__main__":
    main()
