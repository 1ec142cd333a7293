"""The commands about readings: `empathic read …`, by which people or models grade replies blind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from empathic.cli.judge import Endpoint, Json, Kept, KeyEnv, Model, print_json
from empathic.errors import UserError

readers = typer.Typer(
    help="Replies read blind: which of them one would send.", no_args_is_help=True, rich_markup_mode=None
)
Sources = Annotated[
    list[str],
    typer.Argument(metavar="RUN", help="Run directories, exports' folders, or reply files as NAME=FILE or FILE."),
]
Systems = Annotated[
    list[str] | None, typer.Option("--systems", metavar="A,B", help="Which systems of the runs; default: all.")
]
Split = Annotated[str, typer.Option("--split", help="Which dialogues of the runs: test, validation or train.")]
Against = Annotated[str | None, typer.Option("--against", help="Also each system's difference to this one.")]


@readers.command("sheets")
def read_sheets(
    sources: Sources,
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")],
    systems: Systems = None,
    size: Annotated[int, typer.Option(min=1, help="The most replies on a sheet.")] = 120,
    twice: Annotated[float, typer.Option(min=0, max=1, help="The share of replies for a second reader.")] = 0.15,
    split: Split = "test",
    seed: Annotated[int, typer.Option(help="Of the order.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Move a folder of that name aside.")] = False,
) -> None:
    """Write blind sheets of shuffled replies, the rubric, files for the answers, and the key that readers don't get."""
    from empathic.reading import runs, sheets
    from empathic.reading.replies import gather

    found = gather(sources, _names(systems), split, _warn)
    dealt = sheets.deal(found, size, twice, seed)
    aside = sheets.write(dealt, out, runs.of_sources(sources), seed, force)
    if aside:
        print(f"what was there is now {aside}")
    for sheet in dealt:
        print(f"{out / sheet.name}.txt: {len(sheet.replies)} replies{' for a second reader' if sheet.second else ''}")
    if shared := sum(len(one.also) for sheet in dealt if not sheet.second for one in sheet.replies):
        print(f"{shared} of {len(found)} replies are another's to the same message too: read once, they count for both")
    print(
        f"give a reader a sheet, its answers-….txt and RUBRIC.md, never {sheets.KEY}; then: empathic read take {out} …"
    )


@readers.command("take")
def read_take(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `read sheets` wrote.")],
    answers: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files of answers, one a sheet.")],
    reader: Annotated[str, typer.Option("--reader", help="Who read.")],
    kind: Annotated[Literal["person", "model"], typer.Option("--kind", help="What the reader is.")] = "person",
    against: Against = None,
    force: Annotated[bool, typer.Option("--force", help="Replace this reader's earlier grades.")] = False,
    json: Json = False,
) -> None:
    """Take a reader's answers back, and show how many replies of each system are sendable."""
    from empathic.reading import take

    found = take.take(folder, answers, reader, kind, force, _warn)
    _show(found, against, json)
    if left := take.unread(folder, found):
        _warn(f"not read yet: {', '.join(sheet.name for sheet in left)}")


@readers.command("rates")
def read_rates(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files of readings, JSON Lines.")],
    against: Against = None,
    json: Json = False,
) -> None:
    """Show how many replies of each system are sendable, with intervals, and how far readers agree."""
    from empathic.reading import readings

    _show(readings.read(paths), against, json)


@readers.command("ask")
def read_ask(
    sources: Sources,
    judge: Endpoint = "local:qwen2.5-coder-1.5b",
    model: Model = None,
    key_env: KeyEnv = None,
    ledger: Kept = None,
    systems: Systems = None,
    split: Split = "test",
    out: Annotated[Path | None, typer.Option("--out", help="The file of readings to write; default: none.")] = None,
    against: Against = None,
    json: Json = False,
) -> None:
    """Let an endpoint read by the same rubric: RUNs, reply files, or what others read, given as a file of readings."""
    import itertools

    from empathic import files
    from empathic.cli.progress import Progress
    from empathic.endpoints.open import open_endpoint
    from empathic.judge.scoring import opened
    from empathic.reading import ask
    from empathic.reading.replies import gather

    if out and out.exists():
        raise UserError(f"{out}: is there already; give another --out")
    replies = gather(sources, _names(systems), split, _warn)
    done = itertools.count(1)
    with Progress(quiet=json) as display, opened(ledger) as kept:
        progress = display.counting("judge")
        with open_endpoint(judge, model, key_env, log=_warn) as endpoint:
            found, useless = ask.read(
                endpoint, replies, model or judge, kept, lambda: progress(next(done), len(replies))
            )
    if out:
        files.write_jsonl(out, (one.to_row() for one in found))
    _show(found, against, json)
    if useless:
        _warn(f"{model or judge}: {useless} of {len(replies)} answers gave no four grades, and count nowhere")


def _names(given: list[str] | None) -> list[str]:
    """Names that were given one by one, or with commas between them."""
    return list(dict.fromkeys(name for part in given or () for name in part.split(",") if name))


def _warn(line: str) -> None:
    print(line, file=sys.stderr)


def _show(found: list[Any], against: str | None, json: bool) -> None:
    """The figures of readings, as a table or as JSON."""
    from empathic.cli import reading_tables
    from empathic.reading.rates import figures

    if against and against not in {one.system for one in found}:
        there = ", ".join(sorted({one.system for one in found}))
        raise UserError(f"--against {against}: no readings of that system; there are of: {there}")
    rows = figures(found, against)
    print_json(rows) if json else reading_tables.show(rows)
    if len(rows["rubrics"]) > 1:
        _warn(f"mind that these were read by several versions of the rubric: {', '.join(rows['rubrics'])}")
