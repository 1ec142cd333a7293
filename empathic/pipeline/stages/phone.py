"""The phone stage: the files that ship, and proof that the last student's answers as its merged model does."""

from __future__ import annotations

import shutil
from pathlib import Path

from empathic import files
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.phone import convert, parity
from empathic.pipeline.stage import STUDENT_KEYS, Forecast, Stage
from empathic.run import Row, Run
from empathic.student import load, prompt


def work(run: Run) -> Row:
    """Base and students become GGUF by one path; then the last of them is held against its merged model.

    Files that are there are kept: the stage starts from an empty folder wherever what they are made of has changed.
    """
    settings, last = run.student, run.recipe.final
    steps, done = len(run.systems) + 1, 0
    merged, report = run.path("phone", ".merged"), run.path("phone", "parity.json")
    if report.exists() and not files.read_json(report)["holds"]:
        report.unlink()
    for system in run.systems:
        missing = {quant: out for quant, out in _files(run, system).items() if not out.exists()}
        if system == last and missing:
            report.unlink(missing_ok=True)
        if missing or (system == last and not report.exists()):
            shutil.rmtree(merged, ignore_errors=True)
            adapter = None if system == run.systems[0] else run.adapter(system)
            load.merge(settings.model, settings.template, adapter, merged)
        for quant, out in missing.items():
            convert.convert(merged, out, quant, of=settings.model)
        run.display.step(done := done + 1, steps)
    if not report.exists():
        utterances = [d.utterance for d in run.dialogues("test")[:4]]
        with open_endpoint(f"local:{run.gguf(last)}") as endpoint:
            found = parity.check(endpoint, merged, prompt.instruction(settings.prompt), utterances)
        files.write_json(report, found.to_row())
    shutil.rmtree(merged, ignore_errors=True)
    run.display.step(steps, steps)
    row = files.read_json(report)
    if not row["holds"]:
        raise UserError(
            f"{run.gguf(last)}: doesn't answer as the merged model does (see parity.json beside it); "
            "check student.template"
        )
    return {
        "bytes": {out.name: out.stat().st_size for system in run.systems for out in _files(run, system).values()},
        "parity": row,
    }


def _files(run: Run, system: str) -> dict[str, Path]:
    """A system's files that ship, by quant."""
    return {quant: run.gguf(system, quant) for quant in run.recipe.phone.quants}


def forecast(of: Forecast) -> str:
    """How many files there would be, and how they are quantised."""
    quants = of.recipe.phone.quants
    return f"{len(of.recipe.systems) * len(quants)} GGUF files ({', '.join(quants)})"


def _outputs(run: Run) -> list[Path]:
    made = [out for system in run.systems for out in _files(run, system).values()]
    return [run.path("phone", "parity.json"), *made]


STAGE = Stage(
    "phone",
    about="files for the phone",
    keys=(*STUDENT_KEYS, "student.prompt", "phone"),
    inputs=lambda run: [*(run.adapter(step.name) for step in run.recipe.steps), run.dialogues_file],
    outputs=_outputs,
    work=work,
    forecast=forecast,
    partial=lambda run: [run.path("phone")],
)
