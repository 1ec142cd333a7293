"""The commands about a teacher that is asked by files: `empathic teacher …`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from empathic.pipeline.batch_files import Imported

teachers = typer.Typer(help="Ask the teacher by batch files.", no_args_is_help=True, rich_markup_mode=None)
Where = Annotated[str, typer.Argument(metavar="RECIPE_OR_RUN", help="A recipe, whose run is runs/NAME, or a run.")]


@teachers.command("export-batch")
def teacher_export_batch(
    where: Where,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", help="The file; several are FILE-1.jsonl ...")],
) -> None:
    """Write what the teacher would be asked now as OpenAI's batch file, for OpenAI, `vllm run-batch` and other hosts.

    Each line is a request; custom_id is the beginning of the hash that the ledger keeps its answer by, and the number
    of the try. More than 50,000 requests or 200 MB become several files. Nothing is sent.
    """
    from empathic.cli.progress import Progress
    from empathic.pipeline import batch_files

    with Progress() as display:
        run = batch_files.prepare(where, display)
        done = batch_files.export_batch(run, out, display.counting("export"))
    names = " to ".join(str(done.files[end]) for end in sorted({0, len(done.files) - 1}))
    cost = f", ${done.most:.2f} at most by batch prices" if done.most else ""
    print(f"{done.questions:,} questions are in {names}{cost}")
    print(f"when they are answered: empathic teacher import-batch {where} RESULTS.jsonl")


@teachers.command("ask-batch")
def teacher_ask_batch(
    where: Where,
    questions: Annotated[list[Path], typer.Argument(metavar="FILE.jsonl", help="What `export-batch` wrote.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="RESULTS.jsonl", help="The results; what it has already isn't asked.")
    ],
) -> None:
    """Ask what batch files hold on a Ray cluster: the one that RAY_ADDRESS names, else one on this machine.

    A job that was killed goes on where it was. Wants empathic[ray].
    """
    from empathic.cli.progress import Progress
    from empathic.pipeline import batch_cluster, batch_files

    with Progress() as display:
        run = batch_files.prepare(where, display)
        answers, errors = batch_cluster.ask_batch(run, questions, out, display.counting("ask"))
    print(f"{answers:,} answers and {errors:,} errors are new in {out}")
    print(f"to use them: empathic teacher import-batch {where} {out}")


@teachers.command("import-batch")
def teacher_import_batch(
    where: Where,
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS.jsonl", help="What the host answered; its errors too.")
    ],
) -> None:
    """Put the answers of batch files into the ledger, so that `empathic run` sends nothing for them.

    Says how many questions are open: a strategy of several turns wants an export for each turn. A file that isn't
    whole changes nothing.
    """
    from empathic.cli.progress import Progress
    from empathic.pipeline import batch_files

    with Progress() as display:
        run = batch_files.prepare(where, display)
        done = batch_files.import_batch(run, results, display.counting("import"))
    for line in _told(done, where, run.folder):
        print(line)


def _told(done: Imported, where: str, folder: Path) -> list[str]:
    """What an import says, a line a fact."""
    lines = [f"{done.answers:,} new answers are in the ledger" + _some(done.same, "; {} were there before")]
    lines += [_some(done.other, "{} were answered twice, and otherwise: the first answer is kept", done.other)]
    lines += [_some(done.strange, "{} are no questions of this recipe's, and left out", done.strange)]
    lines += [f"they say that they are of {done.model}, which isn't the name that was asked for"] if done.model else []
    for why, count in Counter(done.useless).most_common(5):
        lines.append(f"{count:,} are of no use, and asked again: {why}")
    if done.aside:
        first = done.aside[0]
        lines.append(
            f"{len(done.aside):,} dialogues are put aside ({folder / 'aside.jsonl'} says why: "
            f"{first['id']}: {first['aside']})"
        )
    if done.open:
        lines.append(
            f"{done.open:,} questions are open still, of {done.waiting:,} dialogues; they are in the next export: "
            f"empathic teacher export-batch {where} --out FILE.jsonl"
        )
    elif done.waiting:
        lines.append(f"{done.waiting:,} dialogues wait for batches that were handed over; `empathic run` fetches them")
    else:
        lines.append("nothing is open; `empathic run` goes on")
    return [line for line in lines if line]


def _some(ids: list[str], line: str, first: list[str] | None = None) -> str:
    """A line about so many of them, with the first; "" where there is none."""
    return line.format(f"{len(ids):,}") + (f" (such as {first[0]})" if first else "") if ids else ""
