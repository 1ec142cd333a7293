"""The commands that let one talk with a student: chat and serve."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from empathic.errors import UserError

if TYPE_CHECKING:
    from empathic.conversation.guard import Guard

Talked = Annotated[
    Path | None, typer.Argument(metavar="RUN", help="A run directory. Default: the student that comes along.")
]
System = Annotated[str | None, typer.Option("--system", help="Which of its systems. Default: the last step's.")]
Beside = Annotated[str | None, typer.Option("--beside", help="Another system that answers too, such as base.")]
File = Annotated[
    str | None, typer.Option("--model", help="In place of a run: a .gguf file or a known model, without any prompt.")
]
Country = Annotated[str | None, typer.Option("--country", help="Two letters, such as GB: whose help lines are named.")]
NoGate = Annotated[
    bool,
    typer.Option("--without-gate", help="Let the model itself answer people in danger. For tests of a model alone."),
]
Law = Annotated[
    list[str] | None,
    typer.Option(
        "--compliance",
        metavar="NAME",
        help="Notices and marks that a law asks for: california, new-york, washington, oregon, eu; may be repeated.",
    ),
]
Minors = Annotated[bool, typer.Option("--minors", help="Remind as often as the law asks for minors.")]
Counted = Annotated[
    Path | None,
    typer.Option(
        "--count-referrals", metavar="FILE", help="Count in a JSON file how often crisis help was given, by day."
    ),
]


def chat(
    run: Talked = None,
    system: System = None,
    beside: Beside = None,
    model: File = None,
    country: Country = None,
    without_gate: NoGate = False,
    compliance: Law = None,
    minors: Minors = False,
    count_referrals: Counted = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Add the conversations to this JSONL file; else nothing is kept.")
    ] = None,
) -> None:
    """Talk with a student in the terminal; lines that are piped in are messages too.

    It is software, not a person or a therapist. Ctrl-C stops a reply; /new starts over; Ctrl-D or /quit ends.
    """
    from empathic.cli.chat import Chat
    from empathic.cli.progress import console
    from empathic.conversation.speakers import open_speakers
    from empathic.safety.compliance import chosen

    law = chosen(compliance or (), minors)
    with contextlib.ExitStack() as stack:
        with console.status("loading"):
            guard = _guard(country, without_gate, count_referrals, beside)
            speakers = stack.enter_context(open_speakers(run, system, beside, model, guard=guard, log=_plain))
        Chat(speakers, save, law).run()


def serve(
    run: Talked = None,
    system: System = None,
    beside: Beside = None,
    model: File = None,
    country: Country = None,
    without_gate: NoGate = False,
    compliance: Law = None,
    minors: Minors = False,
    count_referrals: Counted = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where it is; 0 for any port that is free.")] = 8766,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on; one that others can reach needs --key-env.")
    ] = "127.0.0.1",
    key_env: Annotated[
        str | None, typer.Option("--key-env", help="The environment variable with the key that clients must send.")
    ] = None,
) -> None:
    """Serve a student by OpenAI's chat API, with a page to chat on; Ctrl-C ends it."""
    from empathic.cli.progress import console
    from empathic.conversation import server
    from empathic.conversation.speakers import open_speakers
    from empathic.safety.compliance import chosen

    key = os.environ.get(key_env, "") if key_env else None
    if key == "":
        raise UserError(f"--key-env: the key is missing; set the environment variable {key_env}")
    server.check_open(host, key)
    law, guard = chosen(compliance or (), minors), _guard(country, without_gate, count_referrals, beside)
    with contextlib.ExitStack() as stack:
        listening = server.Server(host, port, key, compliance=law)
        stack.callback(listening.server_close)
        with console.status("loading"):
            speakers = stack.enter_context(open_speakers(run, system, beside, model, server.SLOTS, guard, log=_plain))
        listening.speakers = {speaker.name: speaker for speaker in speakers}
        stack.callback(listening.replies.end)  # before the engines go, which wait for what is being written
        _plain(f"chat on {listening.url}/")
        for name, speaker in listening.speakers.items():
            _plain(f"ask {listening.url}/v1 for {name}: {speaker.file}")
        with contextlib.suppress(KeyboardInterrupt):
            listening.serve_forever()


def _plain(text: str) -> None:
    """Print a line to the letter: a file's name or an address may hold brackets."""
    from empathic.cli.progress import console

    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _guard(country: str | None, without_gate: bool, counted: Path | None, beside: str | None) -> Guard | None:
    """The gate that models are behind.

    Raises:
        UserError: no such country, as far as the help lines are known, or referrals that can't be counted.
    """
    from empathic.conversation.guard import Guard
    from empathic.safety.gate import Gate
    from empathic.safety.referrals import Referrals

    checked_country(country)
    if counted and (without_gate or beside):
        raise UserError(
            "--count-referrals: "
            + (
                "without the gate there are none"
                if without_gate
                else "with --beside each would count twice; leave one out"
            )
        )
    if without_gate:
        return None
    gate = Gate.load()
    if gate.closed:
        print("empathic: the safety gate is damaged: nobody is answered; install the package anew", file=sys.stderr)
    return Guard(gate, country, Referrals(counted) if counted else None)


def checked_country(country: str | None) -> None:
    """Refuse a country whose help lines aren't known.

    Raises:
        UserError: it isn't; names those that are.
    """
    from empathic.safety import replies

    known = replies.table()["countries"]
    if country is not None and country.upper() not in known:
        raise UserError(f"--country {country}: no help lines are known of it; leave it out, or name {', '.join(known)}")
