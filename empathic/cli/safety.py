"""The commands about the safety gate: `empathic safety …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from empathic.cli.judge import Json, print_json

safety = typer.Typer(
    help="The gate that reads a message before a small model answers.", no_args_is_help=True, rich_markup_mode=None
)


@safety.command("train")
def safety_train(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("gate.json"),
    texts: Annotated[
        list[Path] | None, typer.Option("--texts", metavar="FILE", help="More labelled messages, JSONL or CSV.")
    ] = None,
) -> None:
    """Make the gate's data file anew from the package's texts, EmpatheticDialogues where it is, and one's own."""
    from empathic.safety import make

    size = make.make(out, texts or (), print)
    print(f"{out}: {size / 1000:.0f} kB")


@safety.command("eval")
def safety_eval(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE", help="Messages or scripts, JSONL or CSV.")],
    gate: Annotated[Path | None, typer.Option("--gate", help="A gate's data file; default: the package's.")] = None,
    alarms: Annotated[bool, typer.Option("--alarms", help="Print each message wrongly taken for a crisis.")] = False,
    json: Json = False,
) -> None:
    """Show what the gate makes of messages, by kind and with intervals, and at which turn it catches scripts."""
    from empathic.cli import tables
    from empathic.safety import evaluate

    found = evaluate.evaluate(evaluate.gather(paths), evaluate.opened(gate))
    if json:
        print_json(found.to_row())
    else:
        tables.safety(found)
    if alarms:
        for line in found.alarms:
            print(line)
