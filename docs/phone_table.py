"""The tables and the picture of what `make bench-phone` measured, for phone.md: from benchmarks/phone.json."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).parent.parent / "benchmarks" / "phone.json"
NATIVE = "llama.cpp"
WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 720, 380, 56, 190, 16, 46
COLOURS = ("#2f6f8f", "#2f6f8f", "#b5651d", "#8a5a9e", "#5f8a3a")
STYLE = "text { font: 13px system-ui, sans-serif; fill: #444 } line { stroke: #bbb } .said { font-weight: 600 }"
DARK = "@media (prefers-color-scheme: dark) { text { fill: #ccc } line { stroke: #555 } }"
Row = dict[str, Any]


def measured() -> list[Row]:
    """The rows as they were measured."""
    rows: list[Row] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return rows


def native() -> str:
    """A line a file: llama.cpp on this machine, on one and on two threads."""
    lines = [
        "| student, file | MB | first message | instruction read before | after ten turns | reads, tok/s "
        "| writes, tok/s | memory allows | loads | memory, MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    speeds = _bandwidths()
    for rows in _by_file(row for row in measured() if row["engine"] == NATIVE):
        rows = [{**row, "memory_allows": round(speeds[row["threads"]] / row["mb"])} for row in rows]
        both = [" / ".join(f"{row[key]:g}" for row in rows) for key in _KEYS]
        first, warm, later, read, write, allows, load, memory = both
        about = f"| {rows[0]['model']}, {rows[0]['file']} | {rows[0]['mb']} "
        if rows[0]["model"] == rows[0]["file"]:
            about = f"| {rows[0]['file']} | {rows[0]['mb']} "
        lines.append(
            about + f"| {first} s | {warm} s | {later} s | {read} | {write} | {allows} | {load} s | {memory} |"
        )
    return "\n".join(lines)


_KEYS = ("cold_s", "warm_s", "eleventh_s", "read", "write", "memory_allows", "load_s", "memory_mb")


def _bandwidths() -> dict[int, float]:
    """MB a second that so many threads read from memory: the median, measured beside each file."""
    found: dict[int, list[float]] = {}
    for row in measured():
        if row["engine"] == NATIVE:
            found.setdefault(row["threads"], []).append(row["memory_allows"] * row["mb"])
    return {threads: statistics.median(each) for threads, each in found.items()}


def in_browser() -> str:
    """A line a file and way: the page of `empathic web` in headless Chromium."""
    lines = [
        "| file | MB | engine | first message | instruction read before | after ten turns | reads, tok/s "
        "| writes, tok/s | starts | memory, MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in measured():
        if row["engine"] != NATIVE:
            lines.append(
                f"| {row['file']} | {row['mb']} | {_way(row)} | {row['cold_s']} s | {row['warm_s']} s "
                f"| {row['eleventh_s']} s | {row['read']} | {row['write']} | {row['load_s']} s | {row['memory_mb']} |"
            )
    return "\n".join(lines)


def _by_file(rows: Iterable[Row]) -> list[list[Row]]:
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row["model"], row["file"], row["mb"]), []).append(row)
    return [*found.values()]


def _way(row: Row) -> str:
    if row["engine"] == NATIVE:
        return f"llama.cpp, {row['threads']} thread{'s' * (row['threads'] > 1)}"
    return "two threads" if row["threads"] > 1 else str(row["engine"]).removeprefix("Chromium, ")


def picture() -> str:
    """Tokens a second written, by the file's size, for each engine, as SVG; the ladder's files alone."""
    model = measured()[0]["model"]
    rows = [row for row in measured() if row["model"] == model]
    series: dict[str, list[Row]] = {}
    for row in rows:
        series.setdefault(_way(row) if row["engine"] == NATIVE else f"browser, {_way(row)}", []).append(row)
    most = max(row["write"] for row in rows) * 1.1
    widest = max(row["mb"] for row in rows) * 1.05

    def place(row: Row) -> tuple[float, float]:
        x = LEFT + row["mb"] / widest * (WIDE - LEFT - RIGHT)
        return x, TOP + (1 - row["write"] / most) * (HIGH - TOP - BOTTOM)

    body = [*_axes(most, widest)]
    for number, (name, of) in enumerate(series.items()):
        body += _points(name, [place(row) for row in of], number)
    said = "; ".join(
        f"{name}: {min(r['write'] for r in of)} to {max(r['write'] for r in of)}" for name, of in series.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" '
        f'aria-label="{escape(f"Tokens a second written, by the size of the file. {said}")}">\n'
        f"<style>{STYLE} {DARK}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


def _axes(most: float, widest: float) -> Iterable[str]:
    """Both axes with their ticks."""
    right, bottom = WIDE - RIGHT, HIGH - BOTTOM
    for value in range(0, int(most) + 1, 20):
        y = TOP + (1 - value / most) * (bottom - TOP)
        yield f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" opacity="0.5"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>'
    for value in range(0, int(widest) + 1, 50):
        x = LEFT + value / widest * (right - LEFT)
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{value}</text>'
    yield f'<text x="{right}" y="{bottom + 36}" text-anchor="end">MB of the file</text>'
    yield f'<text x="{LEFT}" y="{TOP - 2}">tokens a second</text>'


def _points(name: str, places: Sequence[tuple[float, float]], number: int) -> Iterable[str]:
    """A series: its points, and its line of the legend."""
    colour, hollow = COLOURS[number % len(COLOURS)], number == 0
    fill = "none" if hollow else colour
    x, y = WIDE - RIGHT + 20, TOP + 20 + 24 * number
    for at in [*places, (x, y)]:
        yield f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="5" fill="{fill}" stroke="{colour}" stroke-width="2"/>'
    yield f'<text x="{x + 14}" y="{y + 4}">{escape(name)}</text>'
