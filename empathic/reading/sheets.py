"""Blind sheets: shuffled replies without names, and a key that readers don't see."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.reading import rubric
from empathic.reading.replies import ToRead

KEY = "key.json"
_SHOWN = 600  # characters of a reply
_OPENING = "# answers to {name} {digest}"


@dataclass(frozen=True)
class Sheet:
    """A sheet's name (`sheet-01`), what stands under its numbers from 1 on, and whether it goes to a second reader."""

    name: str
    replies: tuple[ToRead, ...]
    second: bool = False

    @property
    def text(self) -> str:
        """What a reader sees."""
        return "\n".join(
            f"#{number}\nMESSAGE: {one.message}\nREPLY: {_shown(one.reply)}\n"
            for number, one in enumerate(self.replies, 1)
        )

    @property
    def sha256(self) -> str:
        """The hash of the sheet's file."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def answers(self) -> str:
        """The name of the file for its answers."""
        return f"answers-{self.name}.txt"


def opening(name: str, sha256: str) -> str:
    """The first line of a sheet's answers, which says what they are answers to."""
    return _OPENING.format(name=name, digest=sha256[:12])


def deal(replies: Sequence[ToRead], size: int, twice: float, seed: int) -> list[Sheet]:
    """Shuffle replies and deal them to as few sheets of at most `size` as hold them.

    Replies to one message go to different sheets for as long as there are any. Those that a reader would see alike
    are read once, for all systems that gave them. A share of `twice` of all that is read goes to sheets of a second
    reader too.

    Raises:
        UserError: there is nothing to deal.
    """
    if not replies:
        raise UserError("no replies to read")
    lot = random.Random(seed)
    told_apart = _once(replies)
    again = lot.sample(told_apart, round(twice * len(told_apart)))
    first = [Sheet(f"sheet-{i:02}", tuple(part)) for i, part in enumerate(_dealt(told_apart, size, lot), 1)]
    second = [Sheet(f"second-{i:02}", tuple(part), True) for i, part in enumerate(_dealt(again, size, lot), 1)]
    return first + second


def _once(replies: Sequence[ToRead]) -> list[ToRead]:
    """Each reply that looks like no other to its message, with those of other systems that do."""
    found: dict[tuple[str, str], list[ToRead]] = {}
    for one in replies:
        found.setdefault((one.message, _shown(one.reply)), []).append(one)
    return [replace(same[0], also=tuple(same[1:])) for same in found.values()]


def _dealt(replies: Sequence[ToRead], size: int, lot: random.Random) -> list[list[ToRead]]:
    """The replies in shuffled parts that differ in size by one at most."""
    by_message: dict[str, list[ToRead]] = {}
    for one in replies:
        by_message.setdefault(one.message, []).append(one)
    parts: list[list[ToRead]] = [[] for _ in range(-(-len(replies) // size))]
    messages = list(by_message.values())
    lot.shuffle(messages)
    for same in messages:
        lot.shuffle(same)
        # A message goes round the emptiest parts, so it meets one again only after all others.
        order = sorted(range(len(parts)), key=lambda part: (len(parts[part]), lot.random()))
        for i, one in enumerate(same):
            parts[order[i % len(order)]].append(one)
    for part in parts:
        lot.shuffle(part)
    return parts


def write(
    sheets: Sequence[Sheet], out: Path, run: Path | None = None, seed: int = 0, force: bool = False
) -> Path | None:
    """Write sheets, `RUBRIC.md`, a file for the answers to each sheet, and the key; whole or not at all.

    Args:
        sheets: as `deal` makes them.
        out: the folder to make.
        run: the run that all replies come from, if it is one.
        seed: what the sheets were dealt by.
        force: move a folder that is there aside.

    Returns:
        Where the folder that was there lies now, if there was one.

    Raises:
        UserError: the folder is there, or can't be written.
    """
    out = out.absolute()
    there = out.exists() and not (out.is_dir() and not any(out.iterdir()))
    if there and not force:
        raise UserError(f"{out}: is there already; give another --out, or --force to move it aside")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        for name, text in _texts(sheets).items():
            files.write_text(part / name, text)
        files.write_json(part / KEY, _key(sheets, os.path.relpath(run, out) if run else None, seed))
        aside = _aside(out) if there else None
        if aside:
            out.rename(aside)
        part.replace(out)
        return aside
    except OSError as error:
        raise UserError(f"{out}: can't be written ({error.strerror or error}); give another --out") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _aside(out: Path) -> Path:
    """The first free name for a folder that has to make room."""
    number = 1
    while (aside := out.with_name(f"{out.name}.{number}")).exists():
        number += 1
    return aside


def _texts(sheets: Sequence[Sheet]) -> dict[str, str]:
    """What readers are given: file name -> text."""
    found = {"RUBRIC.md": rubric.prompt("rubric") + "\n" + rubric.prompt("sheets")}
    for sheet in sheets:
        found[f"{sheet.name}.txt"] = sheet.text
        lines = [opening(sheet.name, sheet.sha256), *map(str, range(1, len(sheet.replies) + 1))]
        found[sheet.answers] = "\n".join(lines) + "\n"
    return found


def _key(sheets: Sequence[Sheet], run: str | None, seed: int) -> dict[str, Any]:
    return {
        "rubric": rubric.version(),
        "seed": seed,
        "run": run,
        "sheets": [
            {
                "name": sheet.name,
                "sha256": sheet.sha256,
                "second": sheet.second,
                "replies": [{"number": n, **_row(one)} for n, one in enumerate(sheet.replies, 1)],
            }
            for sheet in sheets
        ],
    }


def _row(one: ToRead) -> dict[str, Any]:
    """A reply as the key holds it."""
    row = asdict(replace(one, also=()))
    del row["also"]
    return row | ({"also": [_row(other) for other in one.also]} if one.also else {})


def _shown(reply: str) -> str:
    """A reply on one line, cut where it is long: what runs on for so long is judged by then."""
    line = " ".join(reply.split())
    return (line if len(line) <= _SHOWN else line[:_SHOWN].rstrip() + " […]") or "(nothing)"
