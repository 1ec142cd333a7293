"""The command `empathic export`, and the table that it ends with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from empathic.run.artefacts import Export


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
) -> None:
    """Write what ships of a student: GGUF files, weights, Modelfile and model card."""
    from empathic.cli.progress import Progress
    from empathic.phone import export as exporting
    from empathic.run import Run

    run = Run.open(folder)
    with Progress() as display:
        found = exporting.export(run, out, system, quant, force, display)
    table(found, out or run.path("export"))


def table(found: Export, folder: Path) -> None:
    """What was written, file by file."""
    from rich.table import Table

    from empathic.cli.progress import console

    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("file", no_wrap=True)
    for column in ("MB", "bits", "fell back", "KL", "99.9%", "top-1", "ppl"):
        shown.add_column(column, justify="right")
    for row in found.rows:
        name = (row.file or f"{row.quant}{'-imatrix' if row.imatrix else ''}").removeprefix(f"{found.system}-")
        mark = "*" if row.file and row.file == found.recommended else " " if row.holds else "!"
        shown.add_row(
            f"{mark} {name.removesuffix('.gguf')}",
            f"{row.bytes / 1e6:.0f}",
            f"{row.bits_per_weight:.2f}",
            f"{row.fell_back:.0%}",
            f"{row.kl_mean:.4f}",
            f"{row.kl_999:.3f}",
            f"{row.top1:.1%}",
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
    console.print(f"\nthe files  {folder}", highlight=False, soft_wrap=True)
