"""The phone stage: the files that ship, and proof that the last student's answers as its merged model does."""

from __future__ import annotations

import shutil

from empathic import files
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.phone import convert, parity
from empathic.pipeline.stage import STUDENT_KEYS, Forecast, Stage
from empathic.run import SYSTEMS, Row, Run
from empathic.student import load, prompt


def work(run: Run) -> Row:
    """Base and students become GGUF by one path; then the last of them is held against its merged model."""
    settings, quants = run.recipe.student, run.recipe.phone.quants
    steps, done = len(SYSTEMS) * (1 + len(quants)) + 1, 0
    facts: Row = {}
    merged = run.path("phone", ".merged")
    for system in SYSTEMS:
        shutil.rmtree(merged, ignore_errors=True)
        adapter = None if system == "base" else run.path("student", system)
        load.merge(settings.model, settings.template, adapter, merged)
        run.display.step(done := done + 1, steps)
        for quant in quants:
            out = run.path("phone", f"{system}-{quant}.gguf")
            convert.convert(merged, out, quant)
            facts[out.name] = out.stat().st_size
            run.display.step(done := done + 1, steps)
    utterances = [d.utterance for d in run.dialogues("test")[:4]]
    with open_endpoint(f"local:{run.gguf('dpo')}") as endpoint:
        found = parity.check(endpoint, merged, prompt.instruction(settings.prompt), utterances)
    shutil.rmtree(merged)
    files.write_json(run.path("phone", "parity.json"), found.to_row())
    run.display.step(steps, steps)
    if not found.holds:
        raise UserError(
            f"{run.gguf('dpo')}: doesn't answer as the merged model does (see parity.json beside it); "
            "check student.template"
        )
    return {"bytes": facts, "parity": found.to_row()}


def forecast(of: Forecast) -> str:
    """How many files there would be, and how they are quantised."""
    quants = of.recipe.phone.quants
    return f"{len(SYSTEMS) * len(quants)} GGUF files ({', '.join(quants)})"


STAGE = Stage(
    "phone",
    keys=(*STUDENT_KEYS, "student.prompt", "phone"),
    inputs=lambda run: [run.path("student", "sft"), run.path("student", "dpo"), run.path("dialogues.jsonl")],
    outputs=("phone/parity.json",),
    work=work,
    forecast=forecast,
)
