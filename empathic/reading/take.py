"""Answers taken back: grades under numbers become readings, kept beside the sheets and in the run they are about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from empathic import files
from empathic.errors import UserError
from empathic.reading import answers, kept, key, readings
from empathic.reading.readings import Reading
from empathic.reading.sheets import Sheet

READINGS = "readings.jsonl"


def take(
    folder: Path,
    paths: Sequence[Path],
    reader: str,
    kind: str,
    force: bool = False,
    log: Callable[[str], None] = print,
) -> list[Reading]:
    """Take files of answers back, and return all readings of the folder.

    Nothing is written unless every file is in order. Answers that were taken before may be taken again.

    Args:
        folder: where the sheets are.
        paths: the files, each to one sheet.
        reader: who read.
        kind: person or model.
        force: let these grades replace the reader's earlier ones.
        log: told of a reader who grades everything alike, and of a run that isn't there any more.

    Raises:
        UserError: a file that isn't in order, a sheet with two files, a second sheet by a reader of the same replies,
            or grades that aren't those that were taken before.
    """
    name = " ".join(reader.split())
    if not name:
        raise UserError("--reader: want a name")
    known = key.read(folder)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    new: list[Reading] = []
    taken: dict[str, Path] = {}
    for path in paths:
        sheet, found = answers.read(path, known.sheets)
        if sheet.name in taken:
            raise UserError(f"{path}: answers {sheet.name}, as does {taken[sheet.name]}; give one of the two")
        taken[sheet.name] = path
        if answers.alike(found):
            log(f"{path}: {name} graded all {len(found)} replies alike; mind that such grades tell little")
        new += [
            Reading(
                system=said.system,
                id=said.id,
                utterance=said.utterance,
                reply=said.reply,
                grades=found[number],
                reader=name,
                kind=kind,
                when=when,
                rubric=known.rubric,
                set=said.set,
                second=sheet.second,
                sheet=sheet.sha256,
            )
            for number, one in enumerate(sheet.replies, 1)
            for said in (one, *one.also)
        ]
    path = folder / READINGS
    with readings.locked(path):  # two readers may hand in at once
        before = readings.read([path]) if path.exists() else []
        merged = _merged(before, new, force)
        files.write_jsonl(path, (one.to_row() for one in merged))
    if known.run:
        if (known.run / "dialogues.jsonl").exists():
            kept.add(known.run, merged)
        else:
            log(f"{known.run}: the run isn't there any more; its readings.json is not written")
    return merged


def _merged(before: Sequence[Reading], new: Sequence[Reading], force: bool) -> list[Reading]:
    """Earlier readings and new ones, each reader's of each reply once.

    Raises:
        UserError: a reader read a reply on two sheets, or graded it in two ways.
    """
    place = {(one.reader, one.item): i for i, one in enumerate(before)}
    found = list(before)
    for one in new:
        at = place.get((one.reader, one.item))
        if at is None:
            place[(one.reader, one.item)] = len(found)
            found.append(one)
            continue
        if found[at].sheet != one.sheet:
            raise UserError(f"--reader {one.reader}: read some of these replies on another sheet; want another reader")
        if found[at].grades == one.grades:
            continue
        if not force:
            raise UserError(f"--reader {one.reader}: graded this sheet otherwise before; --force replaces those grades")
        found[at] = one
    return found


def unread(folder: Path, found: Sequence[Reading]) -> list[Sheet]:
    """The sheets of a folder that nobody's answers were taken of."""
    done = {one.sheet for one in found}
    return [sheet for sheet in key.read(folder).sheets.values() if sheet.sha256 not in done]
