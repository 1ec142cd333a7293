"""Which file of an export to ship."""

from __future__ import annotations

from collections.abc import Sequence

from empathic.run.artefacts import ExportRow

WORSE = 0.03  # by how much fewer of a file's replies may be sendable than of f16's


def recommend(rows: Sequence[ExportRow]) -> tuple[ExportRow | None, str]:
    """The smallest file that is good enough, and by which rule.

    Where f16's replies and those of every other file that meets its bars were read, good enough is a share of sendable
    replies that is not worse than f16's to the same messages by more than `WORSE`, of a file below its bars too: the
    bars stand in for readers. Else it is parity: the bars of `ladder.BARS`.
    """
    written = [row for row in rows if row.file and row.holds]
    if written and all(_read(row) for row in written):
        read = [row for row in rows if row.file and row.prompts and _read(row)]
        fit = [row for row in read if _below(row) <= WORSE + 1e-9]
        best = min(fit, key=lambda row: row.bytes, default=None)
        rule = f"the smallest whose sendable replies are not fewer than f16's by more than {100 * WORSE:.0f} points"
        return best, f"{rule}{_doubt(best)}"
    some = any(row.sendable for row in rows)
    why = (
        "replies of f16 and of every file beside it were not all read"
        if some
        else "no replies of these files were read"
    )
    return min(written, key=lambda row: row.bytes, default=None), f"the smallest that meets the bars of parity; {why}"


def _read(row: ExportRow) -> bool:
    """Whether a file's replies were read, beside f16's."""
    return row.sendable is not None and (row.quant == "f16" or row.sendable.over_f16 is not None)


def _below(row: ExportRow) -> float:
    """By how much fewer of a file's replies are sendable than of f16's."""
    return -row.sendable.over_f16.estimate if row.sendable and row.sendable.over_f16 else 0.0


def _doubt(best: ExportRow | None) -> str:
    """What to say where the readings are too few to tell so small a difference."""
    gap = best.sendable.over_f16 if best and best.sendable else None
    if gap is None or gap.low >= -WORSE:
        return ""
    return f"; {gap.n} messages can't tell so little apart: it may be {-100 * gap.low:.0f} points worse (95% interval)"
