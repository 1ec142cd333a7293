"""The house rules: no circle of imports, little at the top, short files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
TOP = {"__init__", "errors", "files", "models", "text"}


@pytest.fixture(scope="module")
def imports() -> ModuleType:
    spec = importlib.util.spec_from_file_location("imports", ROOT / "docs" / "imports.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rooms_import_downwards_alone(imports: ModuleType) -> None:
    floor = imports.floors(imports.rooms())
    assert floor["stats"] == 0
    assert max(floor, key=floor.__getitem__) == "cli"
    assert floor["teacher"] < floor["pipeline"]
    assert floor["judge"] < floor["report"]
    assert floor["phone"] < floor["conversation"] < floor["cli"]
    assert floor["safety"] < floor["cli"]


def test_a_circle_is_found(imports: ModuleType) -> None:
    with pytest.raises(ValueError, match="a, b"):
        imports.floors({"a": {"b"}, "b": {"a"}, "c": set()})


def test_little_stands_at_the_top_and_no_file_is_long() -> None:
    assert {path.stem for path in (ROOT / "empathic").glob("*.py")} <= TOP
    for path in (ROOT / "empathic").rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path


def test_no_two_test_files_share_a_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), "pytest takes the second for the first"
