"""A run to read, and answers to its sheets."""

from __future__ import annotations

import json
from pathlib import Path

from empathic import files

N = 20


def make_run(folder: Path, name: str = "run") -> Path:
    """A run's replies to twenty dialogues: what `dpo` says is GOOD; two dialogues are of the train split."""
    run = folder / name
    rows = [
        {"id": f"d{i}", "utterance": f"Message {i}\nin two lines.", "split": "test" if i < N else "train"}
        | {"replies": {"human": {"text": f"A person's reply {i}."}}}
        for i in range(N + 2)
    ]
    files.write_jsonl(run / "dialogues.jsonl", rows)
    for system, word in (("dpo", "GOOD"), ("base", "bad")):
        replies = [{"id": f"d{i}", "utterance": f"Message {i}", "reply": f"{word} reply {i}."} for i in range(N + 2)]
        files.write_jsonl(run / "replies" / f"{system}.jsonl", replies)
    return run


def key(folder: Path) -> dict[str, dict]:
    """The sheets in a folder's key, by name."""
    return {one["name"]: one for one in json.loads((folder / "key.json").read_text(encoding="utf-8"))["sheets"]}


def answer(folder: Path, name: str, strict: bool = False) -> Path:
    """Fill in a sheet's answers: GOOD replies are to be sent, to a strict reader but for one in four."""
    path = folder / f"answers-{name}.txt"
    lines = path.read_text(encoding="utf-8").splitlines()[:1]
    for block in (folder / f"{name}.txt").read_text(encoding="utf-8").split("\n\n"):
        number, _, reply = block.strip().split("\n")
        send = "GOOD" in reply and not (strict and int(reply.split()[-1].rstrip(".")) % 4 == 0)
        lines.append(f"{number[1:]} {'2 2 2 y' if send else '0 1 1 n'}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
