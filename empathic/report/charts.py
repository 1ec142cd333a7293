"""Charts as inline SVG: small, legible in both colour schemes, described for those who can't see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from empathic.run.artefacts import WinRateRow

_WIDTH = 640


def _svg(height: int, label: str, body: list[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}" '
        f'preserveAspectRatio="xMidYMid meet">{"".join(body)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def _cut(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def intervals(rows: Sequence[WinRateRow], names: Mapping[str, str]) -> str:
    """Win rates as points with their 95% intervals, around the line of 50%.

    Args:
        rows: win rates.
        names: what readers call each measure.
    """
    labels = [_cut(names.get(row.measure, row.measure)) for row in rows]
    left, right, step, top = max(150, *(24 + 11 * len(label) for label in labels)), 76, 34, 26
    height = top + step * len(rows) + 6

    def x(rate: float) -> float:
        return left + rate * (_WIDTH - left - right)

    body = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        kind = "middle" if tick == 0.5 else "grid"
        body.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top - 6}" y2="{height}" class="{kind}"/>')
        body.append(_text(x(tick), top - 12, f"{tick:.0%}", "middle", "tick"))
    for i, row in enumerate(rows):
        y = top + step * i + step / 2
        body.append(_text(left - 14, y + 5, labels[i], "end"))
        body.append(f'<line x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{y}" y2="{y}" class="whisker"/>')
        body.append(f'<circle cx="{x(row.estimate):.1f}" cy="{y}" r="6" class="point"/>')
        body.append(_text(_WIDTH - right + 16, y + 5, f"{row.estimate:.0%}", "start", "value"))
    said = "; ".join(f"{r.measure} {r.estimate:.0%}, from {r.low:.0%} to {r.high:.0%}" for r in rows)
    return _svg(height, f"Win rates with intervals: {said}", body)


def curve(values: Sequence[float], label: str, start_at_zero: bool = False) -> str:
    """One value a step as a line, with the first, the last and the range written out."""
    height, left, right, top, bottom = 200, 56, 60, 14, 30
    if not values:
        return ""
    low, high = (min(0.0, *values) if start_at_zero else min(values)), max(values)
    span = (high - low) or 1.0

    def at(i: int, value: float) -> tuple[float, float]:
        across = i / max(1, len(values) - 1)
        return left + across * (_WIDTH - left - right), top + (high - value) / span * (height - top - bottom)

    points = " ".join(f"{px:.1f},{py:.1f}" for px, py in (at(i, v) for i, v in enumerate(values)))
    body = [
        f'<line x1="{left}" x2="{_WIDTH - right}" y1="{at(0, v)[1]:.1f}" y2="{at(0, v)[1]:.1f}" class="grid"/>'
        + _text(left - 10, at(0, v)[1] + 5, f"{v:.2f}", "end", "tick")
        for v in (low, low + span / 2, low + span)
    ]
    body.append(f'<polyline points="{points}" class="line"/>')
    end = at(len(values) - 1, values[-1])
    body.append(f'<circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="4" class="point"/>')
    body.append(_text(end[0] + 10, end[1] + 5, f"{values[-1]:.2f}", "start", "value"))
    body.append(_text(left, height - 6, "step 1", "start", "tick"))
    body.append(_text(_WIDTH - right, height - 6, f"step {len(values)}", "end", "tick"))
    return _svg(height, f"{label}: from {values[0]:.2f} to {values[-1]:.2f} over {len(values)} steps", body)


def lengths(words: Mapping[str, Sequence[int]], names: Mapping[str, str]) -> str:
    """How long each system's replies are: a dot a reply, a bar at the mean, in words."""
    left, right, step, top = 150, 60, 40, 10
    height = top + step * len(words) + 26
    most = max((max(counts) for counts in words.values() if counts), default=1)

    def x(count: float) -> float:
        return left + count / most * (_WIDTH - left - right)

    body = []
    for i, (system, counts) in enumerate(words.items()):
        y = top + step * i + step / 2
        mean = sum(counts) / max(1, len(counts))
        body.append(_text(left - 14, y + 5, names.get(system, system), "end"))
        body += [f'<circle cx="{x(n):.1f}" cy="{y}" r="3.5" class="dot"/>' for n in counts]
        body.append(f'<line x1="{x(mean):.1f}" x2="{x(mean):.1f}" y1="{y - 12}" y2="{y + 12}" class="mean"/>')
        body.append(_text(_WIDTH - right + 16, y + 5, f"{mean:.0f}", "start", "value"))
    body.append(_text(left, height - 6, "0", "middle", "tick"))
    body.append(_text(x(most), height - 6, f"{most} words", "end", "tick"))
    said = "; ".join(f"{s} {sum(c) / max(1, len(c)):.0f} words on average" for s, c in words.items())
    return _svg(height, f"Reply lengths: {said}", body)
