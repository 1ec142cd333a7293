"""What people install is the package: nothing of it is missing in the wheel, and nothing else is inside."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow  # it builds the wheel
def test_the_wheel_holds_the_whole_package_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    shutil.copytree(ROOT / "empathic", source / "empathic", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    parts = [path for path in (source / "empathic").rglob("*") if path.is_file()]
    want = {path.relative_to(source).as_posix(): path.read_bytes() for path in parts}
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(tmp_path), str(source)], check=True)
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as wheel:
        found = {name: wheel.read(name) for name in wheel.namelist()}
    about = {name: found.pop(name) for name in [*found] if name.split("/")[0].endswith(".dist-info")}
    assert found.keys() == want.keys()
    assert found == want
    entry_points, licence = (
        next(text for name, text in about.items() if name.endswith(end)) for end in ("entry_points.txt", "LICENSE")
    )
    assert b"empathic = empathic.cli.main:main" in entry_points
    assert licence == (ROOT / "LICENSE").read_bytes()
