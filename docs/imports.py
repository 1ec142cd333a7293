"""The package's rooms, read off its imports: who uses whom, on which floor each stands, and the picture of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "empathic"
SMALL = ("errors", "files", "models", "text")  # used nearly everywhere: left out of the picture


def imported(file: Path) -> Iterator[str]:
    """The package's modules that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "empathic":
            yield from (f"empathic.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def rooms() -> dict[str, set[str]]:
    """Every folder and every module directly in the package -> the others that it imports."""
    found: dict[str, set[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        names = (name.split(".")[1] for name in imported(file) if name.startswith("empathic."))
        found.setdefault(room, set()).update(name for name in names if name not in (room, "__version__"))
    return found


def floors(of: dict[str, set[str]]) -> dict[str, int]:
    """The floor of every room: one above the highest of those that it imports.

    Raises:
        ValueError: rooms that import each other in a circle.
    """
    found: dict[str, int] = {}
    while len(found) < len(of):
        ready = [room for room, others in of.items() if room not in found and others <= found.keys()]
        if not ready:
            raise ValueError(f"a circle of imports among {', '.join(sorted(of.keys() - found.keys()))}")
        for room in ready:
            found[room] = 1 + max((found[other] for other in of[room]), default=-1)
    return found


def picture() -> str:
    """The rooms as a Mermaid graph: an arrow to each room whose code is used and not reached by a longer way."""
    of = {room: others - {*SMALL} for room, others in rooms().items() if room not in SMALL}
    floor = floors(of)
    lines = ["```mermaid", "graph TD"]
    for room in sorted(of, key=lambda room: (-floor[room], room)):
        by_way = set().union(*(_below(other, of) for other in of[room])) if of[room] else set()
        lines += [f"    {room} --> {other}" for other in sorted(of[room] - by_way)]
    return "\n".join([*lines, "```"])


def _below(room: str, of: dict[str, set[str]]) -> set[str]:
    """All that a room reaches."""
    return of[room] | set().union(*(_below(other, of) for other in of[room])) if of[room] else set()
