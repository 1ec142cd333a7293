"""Which file of an export to ship."""

from __future__ import annotations

from collections.abc import Sequence

from empathic.run.artefacts import ExportRow

WORSE = 0.03  # by how much fewer of a file's replies may be sendable than of f16's


def recommend(rows: Sequence[ExportRow]) -> tuple[ExportRow | None, str]:
    """The smallest file that is good enough, and by which rule.

    Where f16's replies and those of every other file were read, good enough is a share of sendable replies that is
    not worse than f16's by more than `WORSE`. Else it is parity: the bars of `ladder.BARS`.
    """
    written = [row for row in rows if row.file and row.holds]
    f16 = next((row.sendable for row in written if row.quant == "f16"), None)
    if f16 is not None and all(row.sendable is not None for row in written):
        fit = [row for row in written if row.sendable is not None and row.sendable >= f16 - WORSE - 1e-9]
        rule = f"the smallest whose sendable replies are not fewer than f16's by more than {100 * WORSE:.0f} points"
    else:
        fit = written
        rule = "the smallest that meets the bars of parity; no replies of these files were read"
    return min(fit, key=lambda row: row.bytes, default=None), rule
