"""Batch files that a cluster of our own asks, in place of a host that takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from empathic.endpoints import batch_ray
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.run import Run


def ask_batch(run: Run, questions: Sequence[Path], out: Path, progress: Callable[[int, int], None]) -> tuple[int, int]:
    """Ask what batch files hold on a Ray cluster; return how many answers and how many errors came.

    Args:
        run: one that `batch_files.prepare` made.
        questions: files that `batch_files.export_batch` wrote.
        out: the file of results, which grows; what it answers already isn't asked.
        progress: told how many questions of how many have a result.

    Raises:
        UserError: as `batch_ray.ask` does; the key isn't there; the recipe has a budget or caps of a minute.
    """
    asked = run.recipe.teacher
    if asked.requests_per_minute or asked.tokens_per_minute or asked.budget:
        raise UserError(
            f"{run.folder}: a cluster keeps neither teacher.requests_per_minute, tokens_per_minute nor budget; "
            "leave them out, and choose teacher.max_connections by them"
        )
    with open_endpoint(str(asked.endpoint), asked.model, asked.key_env, log=run.display.note) as found:
        endpoint = replace(found, max_connections=asked.max_connections, timeout=asked.timeout)
        return batch_ray.ask(questions, endpoint, out, progress)
