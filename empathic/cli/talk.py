"""The commands that let one talk with a student: chat and serve."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from empathic.cli.guarding import Counted, Country, NoGate, Own, disclosure, guarding
from empathic.errors import UserError

Talked = Annotated[
    Path | None, typer.Argument(metavar="RUN", help="A run directory. Default: the student that comes along.")
]
System = Annotated[str | None, typer.Option("--system", help="Which of its systems. Default: the last step's.")]
Beside = Annotated[str | None, typer.Option("--beside", help="Another system that answers too, such as base.")]
File = Annotated[
    str | None, typer.Option("--model", help="In place of a run: a .gguf file or a known model, without any prompt.")
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
    safety: Own = None,
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
            guard = stack.enter_context(guarding(country, without_gate, count_referrals, beside, safety, _plain))
            speakers = stack.enter_context(open_speakers(run, system, beside, model, guard=guard, log=_plain))
        Chat(speakers, save, law, disclosure=disclosure(guard)).run()


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
    safety: Own = None,
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
    law = chosen(compliance or (), minors)
    with contextlib.ExitStack() as stack:
        guard = stack.enter_context(guarding(country, without_gate, count_referrals, beside, safety, _plain))
        listening = server.Server(host, port, key, compliance=law, disclosure=disclosure(guard))
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
