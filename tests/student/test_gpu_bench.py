"""`make bench-gpu` on a machine without a GPU: the tiny shapes try the script itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu" / "bench.py"


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="its sizes are for a machine without a GPU")
def test_its_check_holds_in_both_types_and_it_says_what_it_left(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--sizes", "tiny", "--steps", "sft", "--minutes", "0"]
    done = subprocess.run([*command, "--out", str(tmp_path / "gpu.json")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert row["ok"] and row["steps"] == 60 and row["off in float32"] == {}
    assert row["ours, float32"]["gradients"] < 1e-3 < row["ours, bfloat16"]["gradients"]
    assert "not begun: check tiny-qwen2 sft; tiny sft" in done.stderr
