"""The command `empathic export`, and the table that it ends with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from empathic.phone.transformers_js import Written
    from empathic.run.artefacts import Export, ExportRow


def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    out: Annotated[Path | None, typer.Option("--out", help="The folder; default: export in the run.")] = None,
    system: Annotated[
        str | None, typer.Option("--system", help="Whose files: a step's name, or base. Default: the last step's.")
    ] = None,
    quant: Annotated[
        list[str] | None,
        typer.Option("--quant", metavar="NAME", help="f16, q8_0, q6_k … iq4_nl; several may be given. Default: all."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also write files that are below their bars.")] = False,
    replies: Annotated[
        int | None,
        typer.Option("--replies", min=1, metavar="N", help="Have every file reply to the first N test dialogues."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NAME", help="Also write it for another engine: transformers.js.")
    ] = None,
    readings: Annotated[
        list[Path] | None,
        typer.Option(
            "--readings",
            metavar="FILE",
            help="Recommend by readings of these replies, JSON Lines; several may be given.",
        ),
    ] = None,
) -> None:
    """Write what ships of a student: GGUF files, weights, Modelfile and model card.

    With --replies, --readings or --to, files that are there already are taken as they are.
    """
    from empathic.cli.progress import Progress
    from empathic.errors import UserError
    from empathic.phone import export as exporting
    from empathic.phone import shipped, transformers_js
    from empathic.reading import exported
    from empathic.reading import readings as reading
    from empathic.run import Run, exports

    if to not in (None, "transformers.js"):
        raise UserError(f"--to {to}: no such engine here; want transformers.js")
    if to:
        transformers_js.check_packages()
    again = replies or readings or to
    run = Run.open(folder)
    last = run.export() if again else None
    here = last and last.system == (system or run.recipe.final)
    place = out or (exports.of_run(run.folder) if here else run.path("export"))
    with Progress() as display:
        found = shipped.find(run, place, system, quant, force and bool(replies or readings)) if again else None
        if found is None and readings and not replies:
            raise UserError(f"{place}: no export of the student as it is now; --readings wants one whose files replied")
        found = found or exporting.export(run, place, system, quant, force, display)
        if replies:
            shipped.reply(run, place, found, replies, display)
        if readings:
            shipped.rank(run, place, found, exported.sendable(place, reading.read(readings)))
    table(found, place)
    if to:
        with Progress() as display:
            graphs = transformers_js.write(run, place, force, display)
        _graphs(graphs, place / transformers_js.NAME)


def table(found: Export, folder: Path) -> None:
    """What was written, file by file."""
    from rich.table import Table

    from empathic.cli.progress import console
    from empathic.phone import cells

    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("file", no_wrap=True)
    for column in ("MB", "bits", "fell back", "KL", "99.9%", "top-1", "ppl"):
        shown.add_column(column, justify="right")
    for row in found.rows:
        mark = "*" if row.file and row.file == found.recommended else " " if row.holds else "!"
        shown.add_row(
            f"{mark} {_short(found, row)}",
            *cells.measured(row),
            f"{row.perplexity:.4g}",
        )
    console.print()
    console.print(shown)
    positions = found.rows[0].positions
    console.print(
        f"[dim]{found.dialogues['followed']} test dialogues, {positions} tokens of replies; the merged model's "
        f"perplexity is {found.perplexity:.2f}; tokens compared on {found.dialogues['read']} dialogues[/dim]",
        highlight=False,
    )
    refused = "below its bar" + ("" if all(row.file for row in found.rows) else ", not written without --force")
    console.print(f"[dim]* recommended: {found.rule}; ! {refused}[/dim]", highlight=False)
    if any(row.sendable for row in found.rows):
        console.print()
        console.print(_sendable(found))
        console.print(
            "[dim]points: to f16's replies to the same messages; in brackets 95% intervals[/dim]", highlight=False
        )
    console.print(f"\nthe files  {folder}", highlight=False, soft_wrap=True)
    if any(row.replies for row in found.rows):
        console.print(f"replies    {folder / 'replies'}", highlight=False, soft_wrap=True)


def _graphs(rows: list[Written], folder: Path) -> None:
    """The graphs for transformers.js."""
    from rich.table import Table

    from empathic.cli.progress import console
    from empathic.phone import cells

    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("dtype", no_wrap=True)
    for column in ("MB", "KL", "99.9%", "top-1"):
        shown.add_column(column, justify="right")
    for row in rows:
        mark = " " if row.holds else "!"
        shown.add_row(f"{mark} {row.dtype}", f"{row.bytes / 1e6:.0f}", *cells.distance(row.found))
    console.print()
    console.print(shown)
    console.print(f"for transformers.js  {folder}", highlight=False, soft_wrap=True)


def _sendable(found: Export) -> Table:
    """How many of each file's replies readers would send."""
    from rich.table import Table

    from empathic.phone import cells

    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("file", no_wrap=True)
    for column in ("n", "sendable", "points"):
        shown.add_column(column, justify="right", no_wrap=True)
    for row in found.rows:
        if row.file and row.sendable:
            shown.add_row(
                f"{'*' if row.file == found.recommended else ' '} {_short(found, row)}",
                str(row.sendable.n),
                cells.share(row.sendable),
                cells.points(row.sendable),
            )
    return shown


def _short(found: Export, row: ExportRow) -> str:
    """A file's name without what all have in common."""
    name = row.file or f"{row.quant}{'-imatrix' if row.imatrix else ''}"
    return name.removeprefix(f"{found.system}-").removesuffix(".gguf")
