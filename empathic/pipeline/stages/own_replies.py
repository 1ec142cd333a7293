"""Replies of the student's own, for steps that learn from them: the student so far, asked by vLLM or llama.cpp."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from empathic.endpoints.chat_api import Answer, Request
from empathic.endpoints.client import ask
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.open import open_endpoint
from empathic.phone import convert
from empathic.recipe import Recipe
from empathic.recipe.steps import Training
from empathic.run import Run
from empathic.student import engine, load

APART = 1000  # seeds between samples of one dialogue, so that none is that of an answer asked for again


def answered(run: Run, step: Training, requests: Sequence[Request]) -> list[Answer]:
    """What the student that a step starts from answers; a killed attempt goes on from the ledger.

    One that goes on with another engine asks for all of it anew, so that no step learns from samples of two.
    """
    run.display.note(f"the student's own replies: {engine_of(run)}")
    advance = run.counter(len(requests))
    with run.ledger() as ledger, _student(run, step) as endpoint:
        return list(ask(endpoint, requests, ledger, "own replies", advance))


@contextmanager
def _student(run: Run, step: Training) -> Iterator[Endpoint]:
    """The student that a step starts from, served."""
    settings, at = run.student, folder(run, step)
    if engine.by_vllm(settings, own=True):
        with engine.served(settings, run.start(step.name), at / "vllm", run.display.note) as endpoint:
            yield endpoint
        return
    gguf, merged = at / "student.gguf", at / "merged"
    if not gguf.exists():
        load.merge(settings.model, settings.template, run.start(step.name), merged)
        convert.convert(merged, gguf, "q8_0", of=settings.model)
        shutil.rmtree(merged)
    with open_endpoint(f"local:{gguf}", parallel=2) as endpoint:
        yield endpoint


def engine_of(run: Run) -> str:
    """What gives such replies, in words."""
    return engine.told(run.student, own=True)


def forecast(recipe: Recipe) -> str:
    """The same for a plan, where it is vLLM."""
    return " by vLLM" if engine.by_vllm(recipe.student, own=True) else ""


def folder(run: Run, step: Training) -> Path:
    """Where the student lies until the step has what it learns from."""
    return run.path("student", f".{step.lessons_name}")
