"""`report.html`: one self-contained page that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from empathic import files
from empathic.endpoints.ledger import short
from empathic.judge import family
from empathic.judge.comparisons import headline
from empathic.judge.measures import hollowness, registry
from empathic.report import charts
from empathic.run import Run
from empathic.run.artefacts import Summary

SHOWN = 500  # dialogues to browse, spread over the test set where there are more; the page stays under 5 MB
_CHANCE = 0.05  # of 95% intervals lie wholly on one side of 50% where neither side is better
_MARGIN = "rewards/margins"
CONTROLS = {
    "another": "a reply that belongs to another dialogue",
    "stock": "a stock phrase that fits anywhere",
    "shuffled": "the same words in another order",
}


def write_page(run: Run) -> Path:
    """Render the page of a run from its files, and return where it is.

    Raises:
        UserError: a file of the run's is missing.
    """
    import jinja2

    here = resources.files("empathic.report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = lambda rate: f"{rate:.0%}"
    environment.filters["points"] = lambda rate: f"{100 * rate:.0f}"
    environment.filters["short"] = short
    template = environment.from_string((here / "page.html").read_text(encoding="utf-8"))
    page = template.render(
        **_context(run),
        css=(here / "page.css").read_text(encoding="utf-8"),
        js=(here / "page.js").read_text(encoding="utf-8"),
    )
    files.write_text(run.page_file, page)
    return run.page_file


def _context(run: Run) -> dict[str, Any]:
    """Everything the template shows."""
    figures, recipe, titles = run.summary(), run.recipe, registry.titles()
    replies = {
        system: list(files.read_jsonl(run.replies(system))) for system in run.systems if run.replies(system).exists()
    }
    names = {system: recipe.label(system) for system in run.systems}
    words = {system: [len(row["reply"].split()) for row in rows] for system, rows in replies.items()}
    main = figures.headline_rates()
    failed = figures.failed_controls()
    pairs = _pairs(run, replies)
    shown = spread(pairs, SHOWN)
    parts = figures.by_emotion + figures.by_length
    return {
        "name": run.manifest.name,
        "beats": {(row.a, row.b): row for row in figures.who_beats_whom},
        "hollow_names": {key: text for key, text in hollowness.COLUMNS.items() if key != "words"},
        "controlled": {(row.a, row.b, row.measure): row for row in figures.length_controlled},
        "figures": figures,
        "manifest": run.manifest,
        "main": main,
        "by_measure": {row.measure: row for row in main},
        "sent": _sent(figures),
        "failed": failed,
        "alike": _alike(failed),
        "kinship": family.warnings(figures.one_family),
        "measures": titles,
        "systems": names,
        "before": figures.headline[1],
        "after": figures.headline[0],
        "between": [step.name for step in recipe.steps[:-1]],
        "last_step": recipe.steps[-1].label,
        "steps": len(recipe.steps),
        "control_names": CONTROLS,
        "interval_chart": charts.intervals(main, titles),
        "training_charts": _training_charts(run),
        "length_chart": charts.lengths(words, names),
        "parts": {
            "n": len(parts),
            "by_chance": _CHANCE * len(parts),
            "apart": sum(row.low > 0.5 or row.high < 0.5 for row in parts),
        },
        "pairs": shown,
        "of": len(pairs),
        "first": shown[len(shown) // 2],
        "recipe": run.recipe_file.read_text(encoding="utf-8"),
        "export": run.export(),
        "files": {path.name: path.stat().st_size / 1e6 for path in _shipped(run)},
    }


def _sent(figures: Summary) -> dict[str, Any] | None:
    """How many replies one would send after training and before, as readers said, else as a scorer of readings sees it.

    None where neither is known of both.
    """
    read = {row["system"]: row for row in (figures.readings or {}).get("rates", ())}
    scored = {row.system: row.model_dump() for row in figures.sendable}
    for by, rows in (("readers", read), ("scorer", scored)):
        if set(figures.headline) <= rows.keys():
            after, before = (rows[system] for system in figures.headline)
            return {"by": by, "after": after, "before": before}
    return None


def _training_charts(run: Run) -> dict[str, str]:
    """Each step's loss, and the margin of its rewards where it learns from pairs, by caption."""
    found: dict[str, str] = {}
    for step in run.recipe.steps:
        rows = files.read_json(run.history(step.name))["history"]
        found[f"{step.label} loss"] = charts.curve([row["loss"] for row in rows], f"Loss, {step.name}")
        if all(_MARGIN in row for row in rows):
            margins = [row[_MARGIN] for row in rows]
            found[f"{step.label} reward margin"] = charts.curve(margins, f"Reward margin, {step.name}", True)
    return found


def _shipped(run: Run) -> list[Path]:
    """The files for the phone that are there."""
    made = (run.gguf(system, quant) for system in run.systems for quant in run.recipe.phone.quants)
    return [path for path in made if path.exists()]


def _alike(failed: dict[str, list[str]]) -> dict[tuple[str, ...], list[str]]:
    """Who failed the same controls, by these."""
    found: dict[tuple[str, ...], list[str]] = {}
    for judge, names in failed.items():
        if names:
            found.setdefault(tuple(names), []).append(judge)
    return found


def spread(rows: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the rows (two or more), evenly spaced, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[i * (len(rows) - 1) // (most - 1)] for i in range(most)]


def _pairs(run: Run, replies: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Dialogues before and after, with scores and who won by both measures."""
    after, before = headline(run.recipe)
    by_id = {system: {row["id"]: row for row in rows} for system, rows in replies.items()}
    verdicts = {row["id"]: row for row in files.read_jsonl(run.verdicts(after, before))}
    shared = [row for row in replies[after] if row["id"] in by_id[before] and row["id"] in verdicts]
    names = {1.0: "won", 0.0: "lost", 0.5: "tied"}
    return [
        {
            "emotion": row["emotion"],
            "utterance": row["utterance"],
            "replies": {s: of[row["id"]]["reply"] for s, of in by_id.items() if row["id"] in of},
            "scores": verdicts[row["id"]]["scores"],
            "outcome": names[verdicts[row["id"]]["outcomes"].get("agreed", 0.5)],
            "disputed": {0.0, 1.0} <= set(verdicts[row["id"]]["outcomes"].values()),
        }
        for row in shared
    ]
