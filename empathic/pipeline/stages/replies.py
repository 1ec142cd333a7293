"""The replies stage: base and students reply to the test dialogues, from the files that ship unless vLLM is named."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from empathic.dialogues import Dialogue
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.open import open_endpoint
from empathic.pipeline.stage import Forecast, Stage
from empathic.run import Row, Run
from empathic.stats import sample
from empathic.student import engine, replies


def work(run: Run) -> Row:
    """What is judged is what ships: replies come from the GGUF files, through the endpoint client.

    Where `student.engine` says `vllm`, they come of the merged weights instead, and manifest and report say so.
    """
    tests = {system: sampled(run, run.recipe.sampled(system)) for system in run.systems}
    advance = run.counter(sum(map(len, tests.values())))
    settings, seed, by = run.student, run.recipe.seed, engine.told(run.student, own=False)
    if by_vllm := engine.by_vllm(settings, own=False):
        run.display.note(f"replies by {by}, from merged weights: not those of the files that ship")
    stopped: Row = {}
    with run.ledger() as ledger:
        for system, dialogues in tests.items():
            path, name = run.replies(system), system if by_vllm else str(run.gguf(system))
            with _served(run, system) as endpoint:
                stopped[system] = replies.write(
                    path, endpoint, name, dialogues, settings, ledger, "replies", advance, seed
                )
    return {"stopped": stopped, "engine": by}


@contextmanager
def _served(run: Run, system: str) -> Iterator[Endpoint]:
    """A system's file, or its merged weights, which lie there until it has replied."""
    if not engine.by_vllm(run.student, own=False):
        with open_endpoint(f"local:{run.gguf(system)}", parallel=2) as endpoint:
            yield endpoint
        return
    adapter, merged = None if system == run.systems[0] else run.adapter(system), _merged(run) / system
    merged.parent.mkdir(parents=True, exist_ok=True)
    with engine.served(run.student, adapter, merged, run.display.note) as endpoint:
        yield endpoint
    shutil.rmtree(_merged(run))


def _merged(run: Run) -> Path:
    """Where a system lies merged while vLLM serves it."""
    return run.path("replies", ".vllm")


def sampled(run: Run, n: int | None, among: Collection[str] | None = None) -> list[Dialogue]:
    """So many test dialogues, or all, those with ids `among` where given: a seeded sample that larger ones contain."""
    tests = run.dialogues("test")
    drawn = sample.places(len(tests), n, run.recipe.seed, lambda i: among is None or tests[i].id in among)
    return [tests[i] for i in drawn]


def fewer(wanted: int | None, there: int) -> int:
    """So many of those that are there, or all."""
    return there if wanted is None else min(wanted, there)


def forecast(of: Forecast) -> str:
    """How many replies there would be."""
    sizes = {system: of.recipe.sampled(system) for system in of.recipe.systems}
    of.replies = {system: fewer(n, len(of.tests)) for system, n in sizes.items()}
    by = "by vLLM, from merged weights" if engine.by_vllm(of.recipe.student, own=False) else "from the files"
    return f"{sum(of.replies.values())} replies {by}"


STAGE = Stage(
    "replies",
    about="the files reply",
    keys=("student.prompt", "student.max_tokens", "student.temperature", "student.engine", "sample.systems", "seed"),
    inputs=lambda run: [run.dialogues_file, *map(run.gguf, run.systems)],
    outputs=lambda run: [*map(run.replies, run.systems)],
    work=work,
    forecast=forecast,
    partial=lambda run: [_merged(run)],
)
