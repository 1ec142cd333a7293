from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_generated_docs_are_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, text in generate.pages().items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"docs/{name} is stale: make docs"


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_map_names_places_that_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [line for line in page.split("## Where do I put …")[1].splitlines() if line.startswith("| ")][2:]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert len(rows) >= 10
    for row in rows:
        named = re.findall(r"`([^`]+)`", row)
        paths = [found for one in named for found in (_place(one),) if found]
        text = "".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
        for one in named:
            if one.startswith("make "):
                assert f"\n{one.removeprefix('make ')}: " in makefile, f"{one} isn't there: {row}"
            elif "/" in one:
                assert _place(one), f"{one} isn't there: {row}"
            else:
                assert all(re.search(rf"\b{part}\b", text) for part in one.split(".")), f"{one} isn't there: {row}"


def _place(name: str) -> Path | None:
    """A file or a room by its name on the map."""
    found = [path for path in (ROOT / "empathic" / name, ROOT / name) if "/" in name and path.exists()]
    return found[0] if found else None
