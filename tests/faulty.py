"""A teacher that misbehaves: a real HTTP server in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Faulty:
    """Where it listens."""

    url: str

    def counts(self) -> dict[str, Any]:
        """How often each request came and was answered well, and the most at a time."""
        with urllib.request.urlopen(f"{self.url}/counts") as found:
            return json.load(found)


@pytest.fixture
def faulty() -> Iterator[Callable[..., Faulty]]:
    """Start such a server, with options as its command line has them."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: Any) -> Faulty:
        script = Path(__file__).with_name("fault_server.py")
        server = subprocess.Popen([sys.executable, script, *map(str, options)], stdout=subprocess.PIPE, text=True)
        started.append(server)
        assert server.stdout is not None
        return Faulty(f"http://127.0.0.1:{server.stdout.readline().strip()}/v1")

    yield start
    for server in started:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()
