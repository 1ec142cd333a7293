"""Replies of the student's own, for steps that learn from them: the student so far as a file, asked by llama.cpp."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from empathic.endpoints.chat_api import Answer, Request
from empathic.endpoints.client import ask
from empathic.endpoints.open import open_endpoint
from empathic.phone import convert
from empathic.recipe.steps import Training
from empathic.run import Run
from empathic.student import load

APART = 1000  # seeds between samples of one dialogue, so that none is that of an answer asked for again


def answered(run: Run, step: Training, requests: Sequence[Request]) -> list[Answer]:
    """What the student that a step starts from answers; a killed attempt goes on from the ledger."""
    settings, gguf = run.student, folder(run, step) / "student.gguf"
    if not gguf.exists():
        merged = gguf.parent / "merged"
        load.merge(settings.model, settings.template, run.start(step.name), merged)
        convert.convert(merged, gguf, "q8_0", of=settings.model)
        shutil.rmtree(merged)
    advance = run.counter(len(requests))
    with run.ledger() as ledger, open_endpoint(f"local:{gguf}", parallel=2) as endpoint:
        return list(ask(endpoint, requests, ledger, "own replies", advance))


def folder(run: Run, step: Training) -> Path:
    """Where the student's file lies until the step has what it learns from."""
    return run.path("student", f".{step.lessons_name}")
