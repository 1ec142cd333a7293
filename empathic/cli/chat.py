"""A conversation in the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empathic import files
from empathic.cli.progress import console
from empathic.conversation.conversation import Conversation
from empathic.conversation.engine import EngineFailed
from empathic.conversation.messages import BadMessage, printable
from empathic.conversation.notices import Now, Reminder
from empathic.conversation.speaker import Speaker
from empathic.errors import UserError
from empathic.safety.compliance import NOTHING, Compliance, Notice, everything

OFF = "The safety gate is off: the model itself answers whatever is said, also by somebody in danger."
_HELP = "Ctrl-C stops a reply; /new starts over; /quit ends."
_NOT_UTF_8 = "stdin: not UTF-8; save the messages as UTF-8"
_HALF = re.compile("[\ud800-\udfff]")  # what Python makes of a byte that is none of UTF-8's
_ENDS = ("/quit", "/exit", "/bye")
_COMMAND = re.compile(r"/\w*|exit|quit", re.IGNORECASE)  # what people type to be rid of a program, and tell nobody


class Chat:
    """A person at a terminal, or a file piped in, with one speaker or two.

    Args:
        speakers: who answers, in this order.
        save: where the conversations are kept, a row each; None keeps nothing.
        compliance: what the person is to be told at the start and again.
        now: seconds of a clock that only goes forward.
        disclosure: what the program says of itself before that; default: the package's words.

    Raises:
        UserError: what is kept there already isn't conversations, or nothing can be kept there.
    """

    def __init__(
        self,
        speakers: Sequence[Speaker],
        save: Path | None,
        compliance: Compliance = NOTHING,
        now: Now = time.monotonic,
        disclosure: str | None = None,
    ) -> None:
        self.speakers, self.save, self.compliance, self.now = speakers, save, compliance, now
        self.disclosure = disclosure
        self.name = " AND ".join(speaker.name for speaker in speakers)
        self.before = _kept(save) if save else []
        self.conversations: list[Conversation] = []
        self.begin()

    def begin(self) -> None:
        """Start over; what was said until now stays kept."""
        self.before += self._rows()
        self.conversations = [Conversation(speaker) for speaker in self.speakers]
        self.reminder = Reminder(self.compliance.seconds, self.now)

    def run(self) -> None:
        """Talk until the input ends."""
        watched = sys.stdin.isatty()
        if watched:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401  arrow keys, and pasted lines as one message
        _tell(everything(self.compliance, self.name, self.disclosure))
        if not any(speaker.instead for speaker in self.speakers):
            console.print(OFF, highlight=False, soft_wrap=True)
        for speaker in self.speakers:
            console.print(f"[dim]{speaker.name}: {speaker.file}[/dim]", highlight=False, soft_wrap=True)
        if watched:
            console.print(f"[dim]{_HELP}[/dim]", highlight=False)
        while (text := _heard("\nyou> " if watched else "")) is not None:
            command = text.strip()
            if command.lower() in _ENDS:
                return
            if command == "/new":
                self.begin()
                _tell(self.compliance.start(self.name))
            elif _COMMAND.fullmatch(command):
                print(f"empathic: {command}: no such command; {_HELP}", file=sys.stderr, flush=True)
            elif _HALF.search(text):
                print(f"empathic: {_NOT_UTF_8}", file=sys.stderr, flush=True)
            elif command:
                if self.reminder.due():
                    _tell(self.compliance.reminder(self.name))
                self._reply(text)
                self._keep()

    def _reply(self, text: str) -> None:
        """Have every speaker reply; Ctrl-C stops the one at it, and those after it."""
        try:
            for conversation in self.conversations:
                _print_reply(conversation, text)
        except (BadMessage, EngineFailed) as error:
            print(f"empathic: {error}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            console.print(" [dim](stopped)[/dim]", highlight=False)

    def _rows(self) -> list[dict[str, Any]]:
        return [{"system": one.speaker.name, "messages": one.messages()} for one in self.conversations if one.turns]

    def _keep(self) -> None:
        """Write all conversations, this one last, after every reply: what was said is there if the power goes."""
        if self.save is not None:
            files.write_jsonl(self.save, [*self.before, *self._rows()])


def _kept(save: Path) -> list[dict[str, Any]]:
    """The conversations that a file holds already, once it is sure that more can be put there.

    Raises:
        UserError: it holds something else, or can't be written.
    """
    try:
        new = not os.path.lexists(save)
        save.parent.mkdir(parents=True, exist_ok=True)
        with save.open("a", encoding="utf-8"):
            pass
        if new:
            save.unlink()
    except OSError as error:
        raise UserError(f"--save {save}: can't be written ({error.strerror}); name another file") from error
    found = [] if new else list(files.read_jsonl(save))
    if any(not isinstance(row.get("messages"), list) for row in found):
        raise UserError(f"--save {save}: holds something else than conversations; name another file")
    return found


def _tell(notices: Sequence[Notice]) -> None:
    """Show what has to be seen, a line each."""
    for notice in notices:
        console.print(notice.text, style="bold" if notice.strong else "", markup=False, highlight=False, soft_wrap=True)


def _heard(asking: str) -> str | None:
    """The next message; None where there will be no more."""
    try:
        return input(asking)
    except (EOFError, KeyboardInterrupt):
        if asking:
            print()
        return None
    except UnicodeDecodeError as error:
        raise UserError(_NOT_UTF_8) from error


def _print_reply(conversation: Conversation, text: str) -> None:
    """Print a reply as it comes, and how fast it came."""
    started, first, speed = time.monotonic(), 0.0, 0.0
    reply = conversation.say(text)
    for chunk in reply:
        if not first:  # a message that is refused has no reply to put a name to
            console.print(f"[bold]{conversation.speaker.name}>[/bold] ", end="", highlight=False)
            first = time.monotonic() - started
        print(printable(chunk.text), end="", flush=True)
        speed = chunk.timings.get("predicted_per_second", 0.0)
    if console.is_terminal and speed:
        console.print(f"  [dim]first word after {first:.1f} s, {speed:.0f} tokens/s[/dim]", end="", highlight=False)
    print(flush=True)
