"""The commands about the safety gate: `empathic safety …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from empathic.cli.guarding import Own
from empathic.cli.judge import Json, print_json
from empathic.cli.talk import Law
from empathic.errors import UserError

if TYPE_CHECKING:
    from empathic.safety.evaluate import Trial
    from empathic.safety.gate import Gate
    from empathic.safety.settings import Settings
    from empathic.safety.texts import Text

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
    own: Own = None,
    alarms: Annotated[bool, typer.Option("--alarms", help="Print each message wrongly taken for a crisis.")] = False,
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="RUN", help="Have a run's students answer what the gate lets through."),
    ] = None,
    systems: Annotated[
        str | None, typer.Option("--systems", help="Which of them, as base,dpo. Default: base and the last step's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="With --run: prompts and replies to be read, JSONL.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what the gate makes of messages, by kind and with intervals, and at which turn it catches scripts.

    With --run: what a run's students say to them behind the gate, and which of their replies get past it.
    """
    from empathic.cli import tables
    from empathic.safety import evaluate, settings

    said, own_settings = evaluate.gather(paths), settings.read(own) if own else None
    opened = evaluate.opened(gate, own_settings)
    if run is not None:
        _answer(said, opened, run, systems, out, json)
        return
    if systems or out:
        raise UserError("--systems and --out: are of a run's students; name the run with --run")
    found = _evaluated(said, opened, own_settings)
    if json:
        print_json(found.to_row())
    else:
        tables.safety(found)
    if alarms:
        for line in found.alarms:
            print(line)


def _evaluated(said: list[Text], gate: Gate, own: Settings | None) -> Trial:
    """The trial of the gate, behind a guard model where the settings name one."""
    import sys
    from functools import partial

    from empathic.safety import evaluate, guard_model

    if not (own and own.guard):
        return evaluate.evaluate(said, gate)
    tell = partial(print, file=sys.stderr)
    with guard_model.opened(own.guard, tell) as larger:
        found = evaluate.evaluate(said, gate, larger)
    tell("the guard model said: " + ", ".join(f"{label} {count}" for label, count in larger.said.most_common()))
    return found


def _answer(said: list[Text], gate: Gate, run: Path, systems: str | None, out: Path | None, json: bool) -> None:
    """Have a run's students answer, and print what came of it."""
    from dataclasses import asdict

    from empathic import files
    from empathic.cli import tables
    from empathic.cli.progress import Progress
    from empathic.conversation import trial
    from empathic.conversation.speakers import chosen, open_speakers
    from empathic.run import Run

    there = Run.open(run).systems
    wanted = [name.strip() for name in systems.split(",")] if systems else [there[0], there[-1]]
    for name in wanted:
        chosen(name, None, there)
    if out is not None and not out.exists():
        files.write_text(out, "")  # a place that can't be written is told before an hour of replies
    answered: list[trial.Answered] = []
    for name in dict.fromkeys(wanted):
        with Progress(quiet=json) as display, open_speakers(run, name) as (speaker,):
            answered += trial.answer(speaker, said, gate, display.counting(name))
    if out is not None:
        files.write_jsonl(out, (asdict(one) for one in answered))
    found = trial.tallies(answered)
    if json:
        print_json([asdict(one) for one in found])
    else:
        tables.students_behind_the_gate(found)
        if out is not None:
            print(out)


@safety.command("protocol")
def safety_protocol(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page to write, Markdown.")],
    compliance: Law = None,
) -> None:
    """Write the page on what is done when somebody is in danger, for an operator to complete and publish."""
    from empathic import files
    from empathic.safety import protocol
    from empathic.safety.compliance import chosen

    files.write_text(out, protocol.page(chosen(compliance or ())))
    print(out)
