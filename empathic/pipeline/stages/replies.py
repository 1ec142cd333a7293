"""The replies stage: base and students reply to the test dialogues, from the files that ship."""

from __future__ import annotations

from collections.abc import Collection

from empathic import files
from empathic.dialogues import Dialogue
from empathic.endpoints.chat_api import REFUSED, Request
from empathic.endpoints.client import ask
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.pipeline.stage import Forecast, Stage
from empathic.run import Row, Run
from empathic.stats import sample
from empathic.student import prompt


def work(run: Run) -> Row:
    """What is judged is what ships: replies come from the GGUF files, through the endpoint client."""
    settings = run.student
    system_prompt = prompt.instruction(settings.prompt)
    tests = {system: sampled(run, run.recipe.sampled(system)) for system in run.systems}
    advance = run.counter(sum(map(len, tests.values())))
    stopped: Row = {}
    with run.ledger() as ledger:
        for system, dialogues in tests.items():
            requests = [
                Request(
                    prompt.messages(system_prompt, d.utterance),
                    settings.max_tokens,
                    settings.temperature,
                    seed=run.recipe.seed,
                )
                for d in dialogues
            ]
            with open_endpoint(f"local:{run.gguf(system)}", parallel=2) as endpoint:
                answers = list(ask(endpoint, requests, ledger, "replies", advance))
            if long := [d.id for d, answer in zip(dialogues, answers, strict=True) if answer.finish == REFUSED]:
                raise UserError(f"{run.gguf(system)}: {len(long)} messages are too long for it, {long[0]!r} among them")
            files.write_jsonl(
                run.replies(system),
                (
                    {
                        "id": d.id,
                        "emotion": d.emotion,
                        "situation": d.situation,
                        "utterance": d.utterance,
                        "reply": answer.text,
                    }
                    for d, answer in zip(dialogues, answers, strict=True)
                ),
            )
            stopped[system] = sum(answer.finish == "stop" for answer in answers) / max(1, len(answers))
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
