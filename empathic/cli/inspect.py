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
    import yaml

    from empathic.dialogues import inspection
    from empathic.errors import UserError
    from empathic.recipe import Dialogues

    named = dict(one.split("=", 1) for one in columns or () if "=" in one)
    if len(named) != len(columns or ()):
        raise UserError("--column: want FIELD=COLUMN, each field once, such as utterance=text")
    with console.status("reading"):
        found = inspection.inspect(Dialogues(source=source, columns=named))
    used, lengths = len(found.lengths), found.lengths
    lines = {"format": found.what, "columns": ", ".join(found.columns), "rows": f"{found.rows}, {used} would be used"}
    if found.mapped:
        lines["read as"] = ", ".join(f"{field} from {column}" for field, column in found.mapped.items())
    if used:
        lines["characters"] = f"{lengths[0]} to {lengths[-1]}, half have at most {lengths[(used - 1) // 2]}"
        lines["splits"] = ", ".join(f"{side or 'none'} {count}" for side, count in found.splits.items())
        lines["replies"] = ", ".join(f"{origin} {count}" for origin, count in found.origins.items()) or "none"
    lines |= {name.replace("_", " "): str(count) for name, count in found.facts.items() if count}
    for name, text in lines.items():
        print(f"{name:<20} {text}")
    for why, count in found.unused.most_common():
        print(f"{'not used':<20} {count}: {why} ({found.examples.get(why, 'the file')})")
    if used:
        recipe = found.recipe(source)
        if named:
            recipe["dialogues"]["columns"] = named
        print("\n# in a recipe\n" + yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), end="")
