"""The page that some laws want published: what is done at signs of danger, how well that works, and what isn't done."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from empathic import __version__
from empathic.safety import compliance, replies
from empathic.safety.compliance import Compliance, Preset
from empathic.safety.spec import FOLDER

_SHOWN = (  # label and kind of a row of the figures, and what it is called
    ("crisis", "suicide", "about suicide"),
    ("crisis", "self-harm", "about self-harm"),
    ("crisis", "eating", "about an eating disorder"),
    ("crisis", "veiled", "that hint at danger without naming it"),
    ("past", "all", "told as history, or of a bereavement: no crisis"),
    ("distress", "all", "of distress: no crisis"),
    ("ordinary", "all", "that only look like a crisis"),
)


@cache
def figures() -> dict[str, Any]:
    """What the gate did with texts that it hadn't learnt from, as `make gate` leaves it."""
    found: dict[str, Any] = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))
    return found


def page(law: Compliance) -> str:
    """The page in Markdown, for an operator to complete and publish.

    Args:
        law: what it answers to; without presets it says what the gate does and nothing of laws.
    """
    words = replies.package()
    lines = words.table
    here = lines["countries"]["US"]
    named = [f"{one['name']} ({one.get('call') or one['text']})" for one in here["lines"]]
    filled = {
        "disclosure": words.disclosure(),
        "laws": f"\nWritten for: {'; '.join(one.law for one in law.presets)}.\n" if law.presets else "",
        "crisis": words.fixed("crisis.self", "en"),
        "lines_date": lines["date"],
        "countries": str(len(lines["countries"])),
        "directory": lines["directory"],
        "here": "; ".join([here["emergency"], *named]),
        "version": __version__,
        "figures": "\n".join(_figures()),
        "table": _laws(law.presets) if law.presets else "",
    }
    text = (FOLDER / "protocol.md").read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(f"{{{name}}}", value)
    return text.rstrip("\n") + "\n"


def _figures() -> Iterator[str]:
    rows = {(row["label"], row["kind"]): row for row in figures()["rows"]}
    yield "| messages | n | interrupted by the crisis reply | so, or help offered under the reply |"
    yield "|---|---|---|---|"
    for label, kind, name in _SHOWN:
        row = rows[label, kind]
        shares = (row[key] for key in ("crisis", "met"))
        cells = (f"{one['estimate']:.1%} ({100 * one['low']:.1f} to {100 * one['high']:.1f})" for one in shares)
        yield f"| {name} | {row['n']} | {' | '.join(cells)} |"


def _laws(presets: Sequence[Preset]) -> str:
    return (
        "\n## What the laws ask for, and what is done\n\n"
        + table(presets)
        + f"\n\nNot done by the software: {'; '.join(compliance.table()['uncovered'])}.\n\n"
        + f"Laws as read on {compliance.table()['date']} in secondary sources. This page is no legal advice."
    )


def table(presets: Sequence[Preset]) -> str:
    """What presets ask for and what is done about it, as a table in Markdown."""
    head = ["| preset | article | holds from | asks for | done | how |", "|---|---|---|---|---|---|"]
    asks = [(one.name, *vars(ask).values()) for one in presets for ask in one.asks]
    return "\n".join([*head, *(f"| {' | '.join(cells)} |" for cells in asks)])
