"""`report.html`: one self-contained page that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from empathic import files
from empathic.endpoints.ledger import short
from empathic.judge import family
from empathic.judge.measures import hollowness
from empathic.report import charts, summary

SHOWN = 500  # dialogues to browse, spread over the test set where there are more; the page stays under 5 MB
_CHANCE = 0.05  # of 95% intervals lie wholly on one side of 50% where neither side is better
JUDGES = {
    "behaviours": "behaviours",
    "specificity": "specificity",
    "agreed": "agreed by both",
    "levels": "levels",
    "pairwise": "side by side",
}
SYSTEMS = {"base": "before", "sft": "after SFT", "dpo": "after DPO"}
CONTROLS = {
    "another": "a reply that belongs to another dialogue",
    "stock": "a stock phrase that fits anywhere",
    "shuffled": "the same words in another order",
}


def write_page(run: Path) -> Path:
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
    files.write_text(run / "report.html", page)
    return run / "report.html"


def _context(run: Path) -> dict[str, Any]:
    """Everything the template shows."""
    figures = files.read_json(run / "summary.json")
    manifest = files.read_json(run / "manifest.json")
    replies = {
        path.stem: list(files.read_jsonl(path))
        for path in (run / "replies" / f"{system}.jsonl" for system in SYSTEMS)
        if path.exists()
    }
    history = {step: files.read_json(run / "student" / f"{step}.json")["history"] for step in ("sft", "dpo")}
    words = {system: [len(row["reply"].split()) for row in rows] for system, rows in replies.items()}
    main = [r for r in figures["win_rates"] if (r["a"], r["b"]) == ("dpo", "base")]
    failed = summary.failed_controls(figures)
    pairs = _pairs(run, replies)
    shown = spread(pairs, SHOWN)
    parts = figures["by_emotion"] + figures["by_length"]
    return {
        "name": manifest["name"],
        "beats": {(row["a"], row["b"]): row for row in figures["who_beats_whom"]},
        "hollow_names": {key: text for key, text in hollowness.COLUMNS.items() if key != "words"},
        "controlled": {(row["a"], row["b"], row["judge"]): row for row in figures["length_controlled"]},
        "figures": figures,
        "manifest": manifest,
        "main": main,
        "by_measure": {row["judge"]: row for row in main},
        "failed": failed,
        "alike": _alike(failed),
        "kinship": family.warnings(figures["one_family"]),
        "judges": JUDGES,
        "systems": SYSTEMS,
        "control_names": CONTROLS,
        "interval_chart": charts.intervals(main, JUDGES),
        "loss_charts": {
            step: charts.curve([row["loss"] for row in rows], f"Loss, {step}") for step, rows in history.items()
        },
        "reward_chart": charts.curve([row["rewards/margins"] for row in history["dpo"]], "Reward margin", True),
        "length_chart": charts.lengths(words, SYSTEMS),
        "parts": {
            "n": len(parts),
            "by_chance": _CHANCE * len(parts),
            "apart": sum(row["low"] > 0.5 or row["high"] < 0.5 for row in parts),
        },
        "pairs": shown,
        "of": len(pairs),
        "first": shown[len(shown) // 2],
        "recipe": (run / "recipe.yaml").read_text(encoding="utf-8"),
        "files": {path.name: path.stat().st_size / 1e6 for path in sorted((run / "phone").glob("*.gguf"))},
    }


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


def _pairs(run: Path, replies: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Dialogues before and after, with scores and who won by both measures."""
    by_id = {system: {row["id"]: row for row in rows} for system, rows in replies.items()}
    verdicts = {row["id"]: row for row in files.read_jsonl(run / "verdicts" / "dpo-base.jsonl")}
    shared = [row for row in replies["dpo"] if row["id"] in by_id["base"] and row["id"] in verdicts]
    names = {1.0: "won", 0.0: "lost", 0.5: "tied"}
    return [
        {
            "emotion": row["emotion"],
            "utterance": row["utterance"],
            "replies": {s: by_id[s][row["id"]]["reply"] for s in SYSTEMS if row["id"] in by_id.get(s, {})},
            "scores": verdicts[row["id"]]["scores"],
            "outcome": names[verdicts[row["id"]]["outcomes"].get("agreed", 0.5)],
            "disputed": {0.0, 1.0} <= set(verdicts[row["id"]]["outcomes"].values()),
        }
        for row in shared
    ]
