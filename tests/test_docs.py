from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def _tested(page: str) -> Iterator[tuple[str, str]]:
    """The rows of a page's tables whose last column is "test", and that column."""
    within = False
    for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        within = bool(cells) and (within or cells[-1] == "test")
        if within and cells[-1] != "test" and not set(cells[-1]) <= set("-"):
            yield line, cells[-1]


@pytest.mark.parametrize(("page", "rows"), [("teacher.md", 25), ("data.md", 15)])
def test_every_row_of_a_table_of_habits_stands_on_a_test(page: str, rows: int) -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    found = list(_tested(page))
    assert len(found) >= rows
    for line, cell in found:
        parts = re.findall(r"`(test_\w+\.py)`(?::((?:,? ?`test_\w+`)+))?", cell)
        assert parts, f"no test is named: {line}"
        for file, tests in parts:
            assert file in sources, f"{file} isn't there: {line}"
            for test in re.findall(r"test_\w+", tests):
                assert f"def {test}(" in sources[file], f"{test} isn't in {file}: {line}"


def _commands(page: str, heading: str) -> list[str]:
    section = (ROOT / "docs" / page).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.S)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(10))
def test_quick_starts_of_formats_run_as_they_are_written(number: int, tmp_path: Path) -> None:
    blocks = _commands("data.md", "Ten formats, from nothing")
    assert len(blocks) == 10
    done = _run(blocks[number], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 would be used" in done.stdout and "# in a recipe" in done.stdout


def test_quick_starts_of_servers_name_commands_that_are_there() -> None:
    blocks = _commands("teacher.md", "Quick starts")
    assert len(blocks) >= 6
    for block in blocks:
        (asked,) = re.findall(r"^empathic (doctor .+)$", block, re.M)
        assert re.fullmatch(r"doctor (?:https?://\S+|local:\S+)(?: --(?:model|key-env) \S+)*", asked), asked


def _run(block: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block of commands with this checkout's `empathic`, and its Python."""
    programs = folder / "bin"
    programs.mkdir()
    for name, arguments in (("empathic", "-m empathic.cli"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-ec", block], cwd=folder, env=env, capture_output=True, text=True, timeout=120)
