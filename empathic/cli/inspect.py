"""What a file or a data set holds, and the recipe's lines to use it."""

from __future__ import annotations

from typing import Annotated

import typer

from empathic.cli.progress import console


def inspect(
    source: Annotated[str, typer.Argument(metavar="FILE|DATASET", help="A file, or a Hugging Face data set.")],
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="FIELD=COLUMN", help="Where a column is named otherwise; may be repeated."),
    ] = None,
) -> None:
    """Show what a file or data set is, which of its rows would be used and why others not, and the recipe for it."""
    from empathic.dialogues import inspection, suggestion
    from empathic.errors import UserError
    from empathic.recipe import Dialogues

    named = dict(one.split("=", 1) for one in columns or () if "=" in one)
    if len(named) != len(columns or ()):
        raise UserError("--column: want FIELD=COLUMN, each field once, such as utterance=text")
    with console.status("reading"):
        found = inspection.inspect(Dialogues(source=source, columns=named))
    used, lengths = len(found.lengths), found.lengths
    rows = f"{found.rows}, a run stops before it uses any" if found.stops else f"{found.rows}, {used} would be used"
    lines = {"format": found.what, "columns": ", ".join(found.columns), "rows": rows}
    if found.mapped:
        lines["read as"] = ", ".join(f"{field} from {column}" for field, column in found.mapped.items())
    if found.unread:
        lines["not read"] = ", ".join(found.unread)
    if used:
        lines["characters"] = f"{lengths[0]} to {lengths[-1]}, half have at most {lengths[(used - 1) // 2]}"
        lines["splits"] = ", ".join(f"{side or 'none'} {count}" for side, count in found.splits.items())
        lines["replies"] = ", ".join(f"{origin} {count}" for origin, count in found.origins.items()) or "none"
    for name, count in found.facts.items():
        if count:
            first = f", first in {found.examples[name]}" if name in found.examples else ""
            lines[name.replace("_", " ")] = f"{count}{first}"
    width = max(20, *map(len, lines))
    for name, text in lines.items():
        print(f"{name:<{width}} {text}")
    for kind, why in found.stops.items():
        alike = f" ({found.alike[kind]} such rows)" if found.alike[kind] > 1 else ""
        print(f"a run stops here: {why}{alike}")
    if found.stops:
        raise typer.Exit(2)
    print("\n# in a recipe\n" + suggestion.lines(found, source, named), end="")
