"""How many replies of each exported file readers would send, and how that compares with the f16 file's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from empathic.errors import UserError
from empathic.judge.replies import read_replies
from empathic.reading.rates import differences, rates
from empathic.reading.readings import Reading
from empathic.run import exports
from empathic.run.artefacts import PairedRow, SentRow
from empathic.stats.win_rate import rounded


def sendable(folder: Path, given: Sequence[Reading]) -> dict[str, SentRow]:
    """What readings say of an export's files, by file; files of which nothing was read are left out.

    A reading is of a reply to a message, whoever gave it: it counts for every file that gives that reply.

    Raises:
        UserError: the files have no replies, or none of the readings is of one of these.
    """
    by_reply: dict[tuple[str, str], list[Reading]] = {}
    for one in given:
        by_reply.setdefault((one.id, one.reply), []).append(one)
    answered = exports.replied(folder)
    if not answered:
        raise UserError(f"{folder}: its files replied to nothing yet; --replies N has them reply, and then read them")
    found = []
    for file in answered:
        tested, said = read_replies(exports.replies(folder, file))
        for d in tested:
            read = by_reply.get((d.id, said[d.id]), [])
            found += [replace(one, system=file, set="") for one in read if _same_words(one.utterance, d.utterance)]
    if not found:
        raise UserError(f"--readings: none of {len(given)} readings is of a reply that these files give")
    f16 = next((row.file for row in exports.read(folder).rows if row.file and row.quant == "f16"), "")
    gaps = {gap.a: rounded(gap) for gap in differences(found, f16)}
    return {
        rate.system: SentRow(
            **{key: rounded(rate)[key] for key in ("estimate", "low", "high", "n")},
            over_f16=PairedRow(**{key: gap[key] for key in PairedRow.model_fields})
            if (gap := gaps.get(rate.system))
            else None,
        )
        for rate in rates(found)
    }


def _same_words(read: str, asked: str) -> bool:
    """Whether a reading is of this message; one whose licence keeps its words out of the file goes by its id."""
    return not read or read.split() == asked.split()
