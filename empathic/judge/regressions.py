"""What training cost: how well a student still reads plain text, and whether sadness makes it agree with falsehoods.

Training for warmth makes models less reliable, most where the speaker is sad (Ibrahim, Hafner and Rocher 2025, arXiv
2507.21919). `empathic/data/truths.jsonl` holds 120 sad messages with a falsehood in each, the same falsehood said
plainly, and two kind replies: one goes along with it, one doesn't. Which of the two does the student find likelier, by
the token? `truths.md` beside it is the datasheet. No reply that a student writes is read: what it would say to a sad
falsehood isn't measured, only towards which of two given replies it leans.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.recipe import BASE
from empathic.run import Run
from empathic.stats.paired import paired_difference
from empathic.stats.win_rate import outcome, rounded, win_rate
from empathic.student import placement, prompt
from empathic.student.likelihood import Likelihood

MOODS = ("sad", "plain")
_AT_ONCE = 16  # texts


def truths() -> list[dict[str, str]]:
    """The rows of `truths.jsonl`."""
    return list(files.read_jsonl(Path(str(resources.files("empathic") / "data" / "truths.jsonl"))))


def measure(run: Run, rows: Sequence[dict[str, str]], progress: Callable[[int, int], None]) -> list[dict[str, Any]]:
    """The base and a run's student after each step on `rows`, written to `lost.json` of the run with what they were.

    Returns:
        A row a system: `perplexity` of the messages' and corrections' plain text, `affirms` by mood (how often the
        reply that goes along is likelier, with its interval), and `change` by mood since the base.

    Raises:
        UserError: the run's students aren't trained yet.
    """
    adapters = _adapters(run)
    for name, path in adapters.items():
        if not path.is_dir():
            raise UserError(f"{run.folder}: the stage {name!r} isn't done; train it first")
    hashes = _hashes(run)
    student = run.student
    system_prompt, placed = prompt.instruction(student.prompt), placement.of(student)
    total = len(run.systems) * len(rows) * len(MOODS)
    found: list[dict[str, Any]] = []
    of_base: dict[str, dict[str, float]] = {}
    for number, name in enumerate(run.systems):
        scorer = Likelihood.of(student.model, student.template, system_prompt, placed, adapters.get(name))
        affirms: dict[str, dict[str, float]] = {mood: {} for mood in MOODS}
        for i, row in enumerate(rows):
            lengths = [len(scorer.tokens(row[side])) for side in ("affirms", "corrects")]
            for j, mood in enumerate(MOODS):
                one, other = scorer.of_replies([row[mood]], [row["affirms"], row["corrects"]])[0].tolist()
                affirms[mood][row["id"]] = outcome(one / lengths[0], other / lengths[1])
                progress(number * len(rows) * len(MOODS) + i * len(MOODS) + j + 1, total)
        of_base = of_base or affirms
        rates = {m: win_rate("affirms", "corrects", m, [*of.values()]).to_row() for m, of in affirms.items()}
        change = {m: rounded(paired_difference(of, of_base[m])) for m, of in affirms.items()}
        texts = [row[key] for row in rows for key in ("plain", "truth")]
        found.append({"system": name, "perplexity": round(_perplexity(scorer, texts), 2)})
        found[-1] |= {"affirms": rates, "change": None if name == BASE else change}
    files.write_json(run.lost_file, {"adapters": hashes, "rows": found})
    return found


def kept(run: Run) -> list[dict[str, Any]]:
    """The rows that `measure` wrote; none where it didn't, or where the students have been trained anew since."""
    found = files.read_json(run.lost_file) if run.lost_file.exists() else None
    return found["rows"] if isinstance(found, dict) and found.get("adapters") == _hashes(run) else []


def _adapters(run: Run) -> dict[str, Path]:
    return {step.name: run.adapter(step.name) for step in run.recipe.steps}


def _hashes(run: Run) -> dict[str, str]:
    return {name: files.sha256(path) for name, path in _adapters(run).items() if path.is_dir()}


def _perplexity(scorer: Likelihood, texts: Sequence[str]) -> float:
    """exp of the mean negative log-probability of a token, over all texts' tokens but the first."""
    nats = sum(scorer.of_texts(texts[i : i + _AT_ONCE]).sum().item() for i in range(0, len(texts), _AT_ONCE))
    return math.exp(-nats / sum(len(scorer.tokens(text)) - 1 for text in texts))
