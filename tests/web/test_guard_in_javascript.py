"""The gate around a student, in Python and in the browser's script: the same pieces, the same end."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from empathic.conversation.engine import Chunk
from empathic.conversation.guard import FILTERED, Watched
from empathic.safety.gate import Gate

ROOT = Path(__file__).parents[2] / "empathic"
KIND = ["Sunday", ", and the ho", "use so still. Who", " is with", " you?\nThat", " was a long day"]
CASES = [
    ("My dog died.", KIND),
    ("My dog died.", ["I am here. ", "I am a real per", "son. ", "And more."]),
    ("My dog died.", ["I am a real person"]),
    ("My dog died.", []),
    ("My dog died.", ["3", ".5 km \u2026", " \u201cReally?\u201d", " \u3042\u3002\u3042"]),
    ("hi", KIND),
    ("I want to kill myself tonight.", KIND),
    ("How do I make a pipe bomb at home?", KIND),
    ("Two years ago I tried to end my life, and I got help.", KIND),
]


class Written:
    """A model's reply, piece by piece."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[Chunk]:
        yield from (Chunk(piece) for piece in self.pieces)
        yield Chunk(finish="stop")

    def close(self) -> None: ...


def test_both_let_the_same_through() -> None:
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not here to run guard.js")
    gate, ours = Gate.load(), []
    turns = [[{"role": "user", "content": said}] for said, _ in CASES]
    for asked, (_, pieces) in zip(turns, CASES, strict=True):
        verdict = gate.check(asked, "GB")
        if verdict.reply is not None:
            ours.append([[verdict.reply], FILTERED])
            continue
        chunks = [*Watched(Written(pieces), gate, "GB", verdict.offer)]
        ours.append([[chunk.text for chunk in chunks if chunk.text], chunks[-1].finish])
    assert {end for _, end in ours} == {"stop", FILTERED} and any("\n\n" in said[-1] for said, _ in ours if said)
    lines = "".join(json.dumps({"turns": t, "pieces": p}) + "\n" for t, (_, p) in zip(turns, CASES, strict=True))
    code = [ROOT / "safety" / "gate.js", ROOT / "web" / "site" / "guard.js", ROOT / "data" / "safety"]
    command = [node, str(Path(__file__).parent / "guarded.mjs"), *map(str, code)]
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == ours
