"""Seconds from a message to the first token of its reply, for the file that a run made: what a long prompt costs.

    python benchmarks/first_token.py runs/demo runs/full [--messages 20]

llama.cpp on this machine's cores, one request at a time, the whole prompt read anew each time; runs take turns message
by message. Prints the median and the quartiles of each run, and the ratio of each run to the first.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai

from empathic.endpoints.open import open_endpoint
from empathic.run import Run
from empathic.student import prompt


def first_token(server: openai.OpenAI, model: str, system_prompt: str, said: str) -> float:
    """Seconds to the first token of a reply."""
    started = time.perf_counter()
    create: Any = server.chat.completions.create  # its overloads know no dictionaries
    stream = create(
        model=model,
        messages=prompt.messages(system_prompt, said),
        max_tokens=4,
        temperature=0,
        stream=True,
        extra_body={"cache_prompt": False},
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    seconds = time.perf_counter() - started
    stream.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="Time to the first token of a reply.")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--messages", type=int, default=20)
    given = parser.parse_args()
    found: dict[Path, list[float]] = {folder: [] for folder in given.runs}
    with ExitStack() as stack:
        asked = {}
        for folder in given.runs:
            run = Run.open(folder)
            endpoint = stack.enter_context(open_endpoint(f"local:{run.gguf(run.recipe.final)}"))
            server = openai.OpenAI(base_url=endpoint.urls[0], api_key=endpoint.key)
            system_prompt = prompt.instruction(run.student.prompt)
            said = [dialogue.utterance for dialogue in run.dialogues("test")][: given.messages]
            first_token(server, endpoint.model, system_prompt, "Hello.")  # the first request also warms up
            asked[folder] = (server, endpoint.model, system_prompt, said)
        for i in range(given.messages):
            for folder, (server, model, system_prompt, said) in asked.items():
                found[folder].append(first_token(server, model, system_prompt, said[i]))
    base = statistics.median(found[given.runs[0]])
    for folder, seconds in found.items():
        low, middle, high = statistics.quantiles(seconds, n=4)
        print(
            f"{folder}: {1000 * middle:.0f} ms ({1000 * low:.0f} to {1000 * high:.0f}), {middle / base:.2f} times, "
            f"n = {len(seconds)}"
        )


if __name__ == "__main__":
    main()
