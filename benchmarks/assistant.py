"""What students say to "hi", "who are you?" and the other messages that any assistant gets: a table in Markdown.

    python benchmarks/assistant.py                  # the student that comes along
    python benchmarks/assistant.py runs/demo        # and a run's last system

The messages are those of Everyday's test split that tell no feeling, and four more. Replies are greedy, from the files
as they ship, and pass the gate as in `empathic chat`; a fixed reply in a student's place is marked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from empathic.conversation.guard import FILTERED, Guard
from empathic.conversation.speaker import Speaker
from empathic.conversation.speakers import open_speakers
from empathic.dialogues import sources
from empathic.recipe import Dialogues
from empathic.safety.gate import Gate

ALWAYS = ("hi", "thanks", "who are you?", "are you human?")


def messages() -> list[str]:
    """What is said."""
    every = sources.load_dialogues(Dialogues(source="everyday"), seed=0)
    return [*ALWAYS, *(d.utterance for d in every if d.split == "test" and not d.emotion)]


def said(speaker: Speaker, message: str) -> str:
    """The reply to one message, in one line."""
    chunks = list(speaker.reply([{"role": "user", "content": message}]))
    text = " ".join("".join(chunk.text for chunk in chunks).split()).replace("|", "\\|")
    return f"*fixed:* {text}" if chunks[-1].finish == FILTERED else text


def main() -> None:
    """Ask each student everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path)
    guard, asked, columns = Guard(Gate.load()), messages(), dict[str, list[str]]()
    for run in (None, *parser.parse_args().runs):
        with open_speakers(run, guard=guard) as (speaker,):
            columns[run.name if run else speaker.name] = [said(speaker, one) for one in asked]
    print(f"| message | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for message, *replies in zip(asked, *columns.values(), strict=True):
        print(f"| {message} | {' | '.join(replies)} |")


if __name__ == "__main__":
    main()
