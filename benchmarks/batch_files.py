"""Seconds and memory of an export and an import of batch files, on so many made-up dialogues.

    python benchmarks/batch_files.py --n 100000

Every question is answered at once with a reply of about 28 words, as a host's file has it; each command is a process
of its own, and its memory is the most that it held.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_RECIPE = """
name: batch
dialogues: {source: many.jsonl}
method: {name: human-improved}
strategy: naive
teacher: {endpoint: "https://api.openai.com/v1", model: gpt-4o}
"""


def _dialogues(n: int) -> Iterator[str]:
    for i in range(n + 1):
        row = {
            "id": f"d{i}",
            "situation": f"Storm {i} took the boat that I had rebuilt over four winters.",
            "utterance": f"My boat number {i} is at the bottom of the bay and I keep looking at where it was.",
            "replies": {"human": f"Well, boat {i} was old."},
            "split": "train" if i else "test",
        }
        yield json.dumps(row) + "\n"


def _answer(asked: Path, out: Path) -> int:
    """Answer a file, and how many lines it has."""
    count = 0
    with asked.open(encoding="utf-8") as lines, out.open("w", encoding="utf-8") as answers:
        for count, line in enumerate(lines, 1):
            said = f"Four winters of work, and boat {count} gone in a night; what do you see first when you look out?"
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
            usage = {"prompt_tokens": 110, "completion_tokens": 30, "total_tokens": 140}
            body = {"id": "x", "object": "chat.completion", "model": "gpt-4o", "choices": [choice], "usage": usage}
            response = {"status_code": 200, "request_id": "r", "body": body}
            row = {"id": f"b{count}", "custom_id": json.loads(line)["custom_id"], "response": response, "error": None}
            answers.write(json.dumps(row) + "\n")
    return count


def _timed(folder: Path, *arguments: str) -> None:
    started = time.monotonic()
    command = [sys.executable, "-m", "empathic.cli", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    print(f"{' '.join(arguments[:2])}: {time.monotonic() - started:.1f} s, {_megabytes(used):.0f} MB", flush=True)
    if process.returncode:
        sys.exit(process.returncode)


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def main() -> None:
    """Make dialogues, and time the two commands."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=100_000)
    n = parser.parse_args().n
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with (folder / "many.jsonl").open("w", encoding="utf-8") as out:
            out.writelines(_dialogues(n))
        (folder / "batch.yaml").write_text(_RECIPE, encoding="utf-8")
        _timed(folder, "run", "batch.yaml", "--until", "dialogues")
        _timed(folder, "teacher", "export-batch", "batch.yaml", "--out", "questions.jsonl")
        asked = sorted(folder.glob("questions*.jsonl"))
        answered = [path.with_name(f"results-{path.name}") for path in asked]
        lines = sum(map(_answer, asked, answered))
        size = sum(path.stat().st_size for path in asked) / 1e6
        print(f"{lines:,} questions in {len(asked)} files of {size:.0f} MB", flush=True)
        _timed(folder, "teacher", "import-batch", "batch.yaml", *(path.name for path in answered))


if __name__ == "__main__":
    main()
