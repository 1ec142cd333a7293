"""The replies stage: base and students reply to the test dialogues, from the files that ship."""

from __future__ import annotations

from collections.abc import Collection

from empathic.dialogues import Dialogue
from empathic.pipeline.stage import Forecast, Stage
from empathic.run import Row, Run
from empathic.stats import sample
from empathic.student import replies


def work(run: Run) -> Row:
    """What is judged is what ships: replies come from the GGUF files, through the endpoint client."""
    tests = {system: sampled(run, run.recipe.sampled(system)) for system in run.systems}
    advance = run.counter(sum(map(len, tests.values())))
    settings, seed = run.student, run.recipe.seed
    stopped: Row = {}
    with run.ledger() as ledger:
        for system, dialogues in tests.items():
            path, gguf = run.replies(system), run.gguf(system)
            stopped[system] = replies.write(
                path, gguf, dialogues, settings, ledger, "replies", advance, seed, parallel=2
            )
    return {"stopped": stopped}


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
    return f"{sum(of.replies.values())} replies from the files"


STAGE = Stage(
    "replies",
    about="the files reply",
    keys=("student.prompt", "student.max_tokens", "student.temperature", "sample.systems", "seed"),
    inputs=lambda run: [run.dialogues_file, *map(run.gguf, run.systems)],
    outputs=lambda run: [*map(run.replies, run.systems)],
    work=work,
    forecast=forecast,
)
