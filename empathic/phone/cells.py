"""What tables say of an exported file, the same in a terminal and on a model card."""

from __future__ import annotations

from empathic.phone.divergence import Divergence
from empathic.run.artefacts import ExportRow, SentRow


def measured(row: ExportRow) -> list[str]:
    """Megabytes, bits a weight, what fell back, mean KL, 99.9% KL and top-1."""
    return [
        f"{row.bytes / 1e6:.0f}",
        f"{row.bits_per_weight:.2f}",
        f"{row.fell_back:.0%}",
        *distance(row),
    ]


def distance(found: ExportRow | Divergence) -> list[str]:
    """Mean KL, 99.9% KL and top-1."""
    return [f"{found.kl_mean:.4f}", f"{found.kl_999:.3f}", f"{found.top1:.1%}"]


def share(sent: SentRow) -> str:
    """How many of a file's replies readers would send, with the interval."""
    return f"{sent.estimate:.0%} ({100 * sent.low:.0f} to {100 * sent.high:.0f})"


def points(sent: SentRow) -> str:
    """By how many points that is more than of f16's replies, with the interval; "" where nothing says so."""
    gap = sent.over_f16
    return f"{100 * gap.estimate:+.0f} ({100 * gap.low:+.0f} to {100 * gap.high:+.0f})" if gap else ""
