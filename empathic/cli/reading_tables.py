"""Readings in the terminal."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from empathic.cli.progress import console
from empathic.reading.rubric import LEVELS


def show(figures: dict[str, Any]) -> None:
    """A table by system, differences to one of them, and how far readers agree; rows of `rates.figures`."""
    rows = figures["rates"]
    sets, twice = any(row["set"] for row in rows), any(row["twice"] for row in rows)
    left = ["", "to"] if sets else [""]
    right = ["n", "sendable", *LEVELS, *(["agree"] if twice else [])]
    table = _table(left, right)
    for row in rows:
        agree = f"{row['agree']:.0%} of {row['twice']}" if row["twice"] else ""
        table.add_row(
            escape(row["system"]),
            *([escape(row["set"])] if sets else []),
            str(row["n"]),
            f"{row['estimate']:.0%} ({100 * row['low']:.0f} to {100 * row['high']:.0f})",
            *(f"{row[level]:.2f}" for level in LEVELS),
            *([agree] if twice else []),
        )
    console.print(table)
    if figures["differences"]:
        console.print()
        console.print(_differences(figures["differences"], sets))
    console.print("[dim]in brackets the 95% interval[/dim]", highlight=False)
    for row in figures["agreement"]:
        console.print(
            f"[dim]two readers agree on {row['grade']} in {row['share']:.0%} of {row['n']} replies "
            f"(kappa {row['kappa']:.2f}, {row['low']:.2f} to {row['high']:.2f})[/dim]",
            highlight=False,
        )


def trials(figures: dict[str, dict[str, Any]]) -> None:
    """How far measures are of readers' mind, over all replies and by system; rows of `trial.Trial`."""
    table = _table(["", "replies of"], ["n", "told apart", "better of two"])
    for measure, found in figures.items():
        better = found["better"]
        pairs = f"{_range(better)}, n = {better['n']}" if better else ""
        if found["send"]:
            table.add_row(escape(measure), "all", str(found["send"]["n"]), _area(found["send"]), pairs)
        for system, of in found["systems"].items():
            table.add_row("", escape(system), str(of["n"]), _area(of), "")
    console.print(table)
    console.print(
        "[dim]told apart: area under the ROC curve of replies to be sent and others; better of two: over messages, "
        "how often the better of two replies scores higher; in brackets the 95% interval[/dim]",
        highlight=False,
    )


def _area(of: dict[str, Any]) -> str:
    return f"{of['estimate']:.3f} ({of['low']:.3f} to {of['high']:.3f})"


def _range(of: dict[str, Any]) -> str:
    return f"{of['estimate']:.0%} ({100 * of['low']:.0f} to {100 * of['high']:.0f})"


def _differences(rows: list[dict[str, Any]], sets: bool) -> Table:
    table = _table(["", "to"] if sets else [""], ["n", "points more sendable", "p"])
    for row in rows:
        table.add_row(
            escape(f"{row['a']} over {row['b']}"),
            *([escape(row["set"])] if sets else []),
            str(row["n"]),
            f"{100 * row['estimate']:+.0f} ({100 * row['low']:+.0f} to {100 * row['high']:+.0f})",
            "<0.001" if row["p"] < 0.001 else f"{row['p']:.3f}",
        )
    return table


def _table(left: list[str], right: list[str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for name in left:
        table.add_column(name)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
