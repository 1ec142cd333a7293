"""What each prompting strategy gains over direct prompting, and what it costs: `make strategies`.

    python benchmarks/strategies.py [--teacher local:qwen2.5-coder-1.5b] [--dialogues 50] [--methods llm-improved]

A teacher answers dialogues of Everyday's train split directly, and by every strategy; every reply is judged, and held
against the direct one to the same dialogue. Everyday's own replies stand beside them. Runs go on where they were
killed (runs/strategies); the table is printed as Markdown and written to benchmarks/strategies.json. Where judge and
teacher are one model, as they are by default, read the rates as this model's opinion of itself.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from empathic import files
from empathic.cli.progress import Progress
from empathic.dialogues import Dialogue, sources
from empathic.endpoints.ledger import Ledger
from empathic.judge import controls, verdicts
from empathic.judge.replies import EvalDialogue, EvalSet, Replies
from empathic.judge.scores import Scores
from empathic.judge.scoring import scored
from empathic.pipeline import matrix
from empathic.recipe import Dialogues, Judge, Recipe
from empathic.teacher.strategies import IMPROVING
from empathic.text import is_stock, words

OUT = Path(__file__).with_suffix(".json")
KNOWN = ("ordinary", "direct", "targeted")  # Everyday's own replies
SEED = 42


def chosen(count: int) -> list[Dialogue]:
    """So many of Everyday's train dialogues, drawn by seed."""
    train = [d for d in sources.load_dialogues(Dialogues(), SEED) if d.split == "train"]
    return random.Random(SEED).sample(train, count)


def taught(dialogues: list[Dialogue], teacher: str, methods: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Ask the teacher in every way: system -> dialogue id -> its row of `teacher.jsonl`."""
    source = folder / "dialogues.jsonl"
    test = next(d for d in sources.load_dialogues(Dialogues(), SEED) if d.split == "test")
    files.write_jsonl(source, (d.to_row() for d in [*dialogues, test]))
    recipe = Recipe.model_validate(
        {
            "name": "strategies",
            "dialogues": {"source": str(source)},
            "method": {"name": "direct", "rejected": ["ordinary"]},
            "teacher": {"endpoint": teacher},
            "matrix": {"method.name": ["direct", *methods], "strategy": list(IMPROVING)},
        }
    )
    with Progress() as display:
        matrix.run_matrix(recipe, folder / "cells", display, until="teacher")
    systems: dict[str, dict[str, Any]] = {}
    for cell in matrix.cells(recipe):
        rows = files.read_jsonl(folder / "cells" / cell / "teacher.jsonl")
        wanted = "direct" if cell == "direct" else "improved"
        systems[cell] = {row["id"]: row for row in rows if row["teacher"] == wanted}
    return systems


def judged(dialogues: list[Dialogue], systems: dict[str, Replies], judge: str, ledger: Path) -> Scores:
    """Both measures of every reply, controls among them."""
    tested = [EvalDialogue.of(d) for d in dialogues]
    own = {d.id: d.replies["targeted"].text for d in dialogues}
    systems = systems | controls.control_systems([d.id for d in dialogues], own, SEED)
    with Progress() as display:
        sets = [EvalSet(tested, systems)]
        (scores,) = scored(sets, Judge(endpoint=judge), ledger, display.counting("judge"), SEED)
    return scores


def cost(ledger: Ledger) -> dict[str, tuple[int, int]]:
    """By strategy: tokens read and written, answers of no use included, and how many those were."""
    return {
        row["purpose"].removeprefix("teacher/"): (row["prompt_tokens"] + row["completion_tokens"], row["wasted"])
        for row in ledger.bill()
        if row["purpose"].startswith("teacher/")
    }


def rows_of(systems: dict[str, Replies], scores: Scores, costs: dict[str, tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """A row a system: win rates over `direct`, words, stock phrases, and tokens a reply."""
    for name, replies in systems.items():
        rates = {} if name == "direct" else {r.measure: r.to_row() for r in verdicts.compare(name, "direct", scores)[1]}
        tokens, wasted = costs.get(name.rsplit(".", 1)[-1], (0, 0))
        yield {
            "system": name,
            "n": len(replies),
            "rates": rates,
            "words": round(sum(len(words(reply)) for reply in replies.values()) / max(1, len(replies)), 1),
            "stock": round(sum(map(is_stock, replies.values())) / max(1, len(replies)), 3),
            "tokens": round(tokens / max(1, len(replies))),
            "wasted": wasted,
        }


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The rows as a Markdown table."""
    measures = (*verdicts.MEASURES, "agreed")
    yield f"| replies | n | {' | '.join(measures)} | words | stock phrases | tokens a reply | of no use |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        rates = [
            f"{r['estimate']:.0%} ({r['low']:.0%} to {r['high']:.0%})" if (r := row["rates"].get(measure)) else ""
            for measure in measures
        ]
        rest = f"{row['words']} | {row['stock']:.0%} | {row['tokens'] or ''} | {row['wasted'] or ''}"
        yield f"| {row['system']} | {row['n']} | {' | '.join(rates)} | {rest} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Prompting strategies against direct prompting.")
    parser.add_argument("--teacher", default="local:qwen2.5-coder-1.5b")
    parser.add_argument("--judge", default="local:qwen2.5-coder-1.5b")
    parser.add_argument("--dialogues", type=int, default=50)
    parser.add_argument("--methods", default="llm-improved")
    parser.add_argument("--out", type=Path, default=Path("runs/strategies"))
    given = parser.parse_args()
    dialogues = chosen(given.dialogues)
    asked = taught(dialogues, given.teacher, given.methods.split(","), given.out)
    systems = {name: {id: row["reply"] for id, row in of.items()} for name, of in asked.items()}
    everyday = {f"everyday {origin}": {d.id: d.replies[origin].text for d in dialogues} for origin in KNOWN}
    kept = given.out / "cells" / "ledger.sqlite"
    scores = judged(dialogues, systems | everyday, given.judge, kept)
    rows = list(rows_of(systems | everyday, scores, cost(Ledger(kept))))
    controls = {by: {name: r.to_row() for name, r in of.items()} for by, of in verdicts.control_rates(scores).items()}
    about = {"teacher": given.teacher, "judge": given.judge, "dialogues": given.dialogues, "seed": SEED}
    OUT.write_text(json.dumps({**about, "rows": rows, "controls": controls}, indent=2) + "\n", encoding="utf-8")
    print(*table(rows), sep="\n")
    for by, of in controls.items():
        print(f"controls, {by}: " + ", ".join(f"{name} {rate['estimate']:.0%}" for name, rate in of.items()))


if __name__ == "__main__":
    main()
