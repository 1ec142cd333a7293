"""What a figure was measured on."""

from __future__ import annotations

import os
from pathlib import Path


def machine() -> str:
    """The processor's name, and how many of its cores were to be had."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "a processor")
    return f"{name}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"
