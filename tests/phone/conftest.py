"""A whole tiny run, exported."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from empathic.phone import export
from empathic.run import Run


@pytest.fixture(scope="session")
def exported(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the whole run with an export of three quants in it. Copy it to change it."""
    run = tmp_path_factory.mktemp("exported") / "run"
    shutil.copytree(whole.run, run)
    opened = Run.open(run)
    export.export(opened, run / "export", None, ["q8_0", "q4_0", "f16"], True, opened.display)
    return run
