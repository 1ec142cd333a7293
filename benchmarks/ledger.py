"""The ledger under very many answers: its size, how fast it takes one in, and how fast a run that goes on finds them.

    python benchmarks/ledger.py [--answers 1000000]

Requests as a teacher gets them: an instruction that all share, a message of some 20 words of its own, an answer of some
25. Prints a line at each tenth of the way. Takes as much disk as it says, in a temporary folder.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from machine import machine

from empathic.endpoints.ledger import Ledger
from empathic.student import prompt

FOUND = 20_000
TOLD = prompt.instruction("full")
WORDS = "my brother left the house at six and nobody knows where he went with the old blue car of our father"


def request(number: int) -> dict[str, Any]:
    """The request of a number."""
    dice = random.Random(number)
    said = f"{number} {' '.join(dice.choices(WORDS.split(), k=20))}"
    messages = [{"role": "system", "content": TOLD}, {"role": "user", "content": said}]
    asked = {"messages": messages, "max_tokens": 256, "temperature": 1.0, "top_logprobs": 0, "seed": 0}
    return {"model": "https://api.openai.com/v1 gpt-4o", **asked}


def answer(number: int) -> dict[str, Any]:
    """Its answer."""
    return {"text": " ".join(random.Random(-number - 1).choices(WORDS.split(), k=25)), "finish": "stop", "logprobs": {}}


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def line(ledger: Ledger, count: int, put: float) -> str:
    """What is measured with so many answers in it."""
    asked = [request(number) for number in random.Random(0).sample(range(count), min(FOUND, count))]
    get = timed(lambda: [ledger.get(one) for one in asked]) / len(asked)
    size = sum(path.stat().st_size for path in ledger.path.parent.iterdir())
    bill = timed(ledger.bill)
    opened = timed(lambda: Ledger(ledger.path).close())
    return (
        f"{count:,} answers: {size / 1e6:,.0f} MB, {size / count:.0f} bytes each; {1 / put:,.0f} taken in and "
        f"{1 / get:,.0f} found again a second; the bill takes {bill:.1f} s, to open it {1000 * opened:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The ledger under very many answers.")
    parser.add_argument("--answers", type=int, default=1_000_000)
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        with closing(Ledger(path)) as ledger:
            each = max(1, given.answers // 10)
            for start in range(0, each * 10, each):
                rows = [(request(number), answer(number)) for number in range(start, start + each)]
                began = time.perf_counter()
                for asked, came in rows:
                    ledger.put(asked, came, model="gpt-4o", purpose="teacher", tokens=(200, 30), cost=1e-4)
                put = time.perf_counter() - began
                print(line(ledger, start + each, put / each), flush=True)
        before = path.stat().st_size
        with closing(sqlite3.connect(path)) as db:
            seconds = timed(lambda: db.execute("vacuum"))
        print(f"a vacuum takes {seconds:.0f} s and leaves {path.stat().st_size / before:.0%}")


if __name__ == "__main__":
    main()
