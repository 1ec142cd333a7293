"""The command line: parses and prints, nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from empathic import __version__
from empathic.cli.doctor import doctor
from empathic.cli.export import export
from empathic.cli.failures import told
from empathic.cli.inspect import inspect
from empathic.cli.judge import AskLevels, Endpoint, Json, Kept, KeyEnv, Model, Pairwise, Questions, judges, print_json
from empathic.cli.read import readers
from empathic.cli.safety import safety
from empathic.cli.talk import chat, serve
from empathic.cli.teacher import teachers
from empathic.cli.web import web
from empathic.errors import BatchPending, UserError

app = typer.Typer(
    name="empathic",
    help="Distil the empathy of a large language model into a small one that runs on a phone.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.command()(doctor)
app.command()(export)
app.command()(inspect)
app.add_typer(judges, name="judge")
app.add_typer(readers, name="read")
app.add_typer(safety, name="safety")
app.add_typer(teachers, name="teacher")

_INTERRUPTED = 130  # the exit code of Ctrl-C
Out = Annotated[Path | None, typer.Option("--out", help="The run directory; default: runs/NAME.")]
Until = Annotated[str | None, typer.Option("--until", help="The last stage to do, such as corpus.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
Processes = Annotated[int, typer.Option("--processes", min=1, help="Train in so many processes, one a GPU or core.")]
Redo = Annotated[bool, typer.Option("--redo", help="Do finished stages over whose recipe changed.")]


@app.command()
def demo(out: Out = None, until: Until = None, set: Set = None, dry_run: DryRun = False, redo: Redo = False) -> None:
    """Distil, judge and export a real small model from 2,400 plain dialogues: no key, no GPU."""
    _run("demo", out, until, set, dry_run, redo)


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="A ready recipe's name, or a YAML file.")],
    out: Out = None,
    until: Until = None,
    set: Set = None,
    dry_run: DryRun = False,
    redo: Redo = False,
    processes: Processes = 1,
) -> None:
    """Run a recipe, or go on with it where it was stopped."""
    _run(recipe, out, until, set, dry_run, redo, processes)


def _run(
    name: str,
    out: Path | None,
    until: str | None,
    overrides: list[str] | None,
    dry: bool,
    redo: bool,
    processes: int = 1,
) -> None:
    from empathic.cli import tables
    from empathic.cli.progress import Progress
    from empathic.doctor.packages import want_training
    from empathic.pipeline import matrix
    from empathic.pipeline import plan as planning
    from empathic.recipe import load_recipe

    want_training()
    recipe = load_recipe(name, overrides)
    folder = out or Path("runs") / recipe.name
    if dry:
        for cell, one in matrix.cells(recipe).items():
            tables.plan(planning.plan(one, folder / cell), until, cell)
        return
    with Progress() as display:
        rows = matrix.run_matrix(recipe, folder, display, until, redo, processes)
    if recipe.matrix:
        tables.matrix(rows, folder)
    else:
        tables.print_summary(folder)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="A reply file: JSONL with id, utterance, reply.")],
    b: Annotated[Path, typer.Argument(help="Another, with the same ids.")],
    judge: Endpoint = "local:qwen2.5-coder-1.5b",
    model: Model = None,
    key_env: KeyEnv = None,
    questions: Questions = None,
    pairwise: Pairwise = False,
    levels: AskLevels = False,
    teacher: Annotated[
        list[str] | None,
        typer.Option("--teacher", metavar="NAME", help="Who taught a file's system; may be given several times."),
    ] = None,
    ledger: Kept = None,
    controls: Annotated[int, typer.Option(min=2, max=64, help="Dialogues that the judge is tried on first.")] = 16,
    json: Json = False,
) -> None:
    """Judge two reply files against each other: win rates with intervals, also at equal lengths, and hollowness.

    Controls that the judge failed, and teachers of its own family, are named; with --json on stderr.
    """
    from empathic.cli import tables
    from empathic.cli.progress import Progress
    from empathic.judge import compare as judging
    from empathic.recipe import Judge

    with Progress(quiet=json) as display:
        asked = Judge(
            name=model or judge,
            endpoint=judge,
            model=model,
            key_env=key_env,
            questions=questions,
            pairwise=pairwise,
            levels=levels,
        )
        progress = display.counting("judge")
        found = judging.compare_files(a, b, asked, ledger, controls, teacher or (), progress)
    if json:
        print_json(found.win_rates)
        for doubt in tables.doubts(found.failed, found.one_family):
            print(doubt, file=sys.stderr)
    else:
        tables.rates(found.win_rates, found.failed, found.one_family, found.length_controlled)
        tables.hollow(found.hollowness)


@app.command()
def power(
    n: Annotated[
        list[int] | None, typer.Option("--n", min=1, help="Test dialogues; may be given several times.")
    ] = None,
    ties: Annotated[float, typer.Option(min=0, max=0.99, help="The share of ties to expect.")] = 0.2,
    alike: Annotated[float, typer.Option(min=0, max=0.99, help="How alike two students' outcomes are, 0 to 1.")] = 0.5,
    power: Annotated[float, typer.Option(min=0.01, max=0.99, help="How often it should be found.")] = 0.8,
) -> None:
    """Show the smallest win rate and difference that so many dialogues can tell from chance, before judging them."""
    from empathic.cli import tables
    from empathic.stats.power import min_detectable_difference, min_detectable_win_rate

    rows = [
        (size, min_detectable_win_rate(size, ties, power), min_detectable_difference(size, ties, alike, power))
        for size in n or (32, 64, 100, 250, 500, 1000)
    ]
    tables.power(rows)


@app.command()
def ledger(
    where: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, or a ledger's file.")],
    export: Annotated[bool, typer.Option("--export", help="Print every answer as JSONL instead.")] = False,
) -> None:
    """Show what was asked and what it cost, by model and purpose."""
    from empathic.cli import tables
    from empathic.endpoints.ledger import Ledger

    path = where / "ledger.sqlite" if where.is_dir() else where
    if not path.exists():
        raise UserError(f"{path}: no ledger there; want a run directory, or the file that its recipe names")
    kept = Ledger(path)
    if export:
        import json

        for row in kept.rows():
            print(json.dumps(row, ensure_ascii=False))
    else:
        tables.bill(kept.bill())
    kept.close()


@app.command()
def vote(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    a: Annotated[
        str | None,
        typer.Option("--a", help="One system: a step's, base, or a known reply's origin. Default: the last."),
    ] = None,
    b: Annotated[str | None, typer.Option("--b", help="The other; default: the student before any step.")] = None,
    n: Annotated[int | None, typer.Option("--n", min=1, help="On how many dialogues; default: all.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the page is, on this computer.")] = 8765,
) -> None:
    """Let people judge two systems, blind, on a page; their votes are kept in the run and go into its report."""
    from empathic.cli import tables
    from empathic.run import Run
    from empathic.vote import ballot_pairs, server
    from empathic.vote.ballots import Ballots

    voted = Run.open(folder)
    a, b = a or voted.systems[-1], b or voted.systems[0]
    shown = ballot_pairs.pairs(voted, a, b, seed=0)[:n]
    ballots = Ballots(voted.votes_file, a, b, voted.systems)
    listening = server.serve(shown, ballots, port)
    tables.voting(f"http://127.0.0.1:{listening.server_address[1]}/", len(shown), folder)
    try:
        listening.serve_forever()
    finally:
        listening.server_close()
        ballots.close()


app.command()(chat)
app.command()(serve)
app.command()(web)


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]) -> None:
    """Write a run's report.html anew from what the run holds, and its tables as CSV and LaTeX."""
    from empathic.report import page, summary, tables
    from empathic.run import Run

    told = Run.open(folder)
    summary.write_summary(told)
    tables.write_tables(told)
    print(page.write_page(told))


@app.command()
def models(
    action: Annotated[str | None, typer.Argument(help="pull, to fetch a model now.")] = None,
    name: Annotated[str | None, typer.Argument(help="Its name.")] = None,
) -> None:
    """List the models that can be had by name, or fetch one: models pull NAME."""
    from empathic import models as known
    from empathic.cli import tables

    if action is None:
        tables.models()
    elif action == "pull" and name:
        print(known.gguf(name))
    else:
        raise UserError("models: want `empathic models`, or `empathic models pull NAME`")


@app.command()
def recipes() -> None:
    """List the ready recipes."""
    from empathic.cli import tables

    tables.recipes()


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: a user's mistake is one line on stderr and exit code 2."""
    os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is first imported: the libraries' bars would break ours
    try:
        app(args=arguments, standalone_mode=True)
    except BatchPending as error:
        print(f"\n{error}")
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != _INTERRUPTED:  # typer catches the signal and says nothing
            raise
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except Exception as error:
        line = told(error)
        if line is None:
            raise
        _fail(line)


def _fail(line: str) -> None:
    print(f"empathic: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
