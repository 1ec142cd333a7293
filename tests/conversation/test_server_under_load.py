"""Fifty clients at a time on `empathic serve` in a process of its own: nobody gets a fault, and its memory stays."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from empathic.conversation.server import SLOTS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
GROWTH = 40  # MB between two loads, at most; the prompt cache, which may take 256, is full of tiny prompts by then
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clients() -> Iterator[ModuleType]:
    """The benchmark's clients."""
    spec = importlib.util.spec_from_file_location("serve_load", BENCHMARKS / "serve_load.py")
    assert spec and spec.loader
    sys.modules["serve_load"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["serve_load"]


def test_fifty_clients_get_replies_or_are_told_when_to_come_back(clients: ModuleType, tiny_gguf: Path) -> None:
    with clients.serving(tiny_gguf) as server:
        clients.load(server, 50, 4)
        before = server.megabytes()
        seen = clients.load(server, 50, 10)
        grown = server.megabytes() - before
        assert not seen.faults
        assert min(seen.count[kind] for kind in ("replies", "left", "gate", "refused")) >= 3, seen.count
        assert not seen.count["503"], "sixty-four may wait"
        assert grown < GROWTH
        crowded = clients.load(server, 150, 3)
        assert not crowded.faults
        assert crowded.count["503"] and crowded.count["replies"], crowded.count


def test_a_client_that_goes_frees_its_place_within_a_second(clients: ModuleType, tiny_gguf: Path) -> None:
    with clients.serving(tiny_gguf, "--without-gate") as server:
        took = sorted(clients.seconds_to_free(server, SLOTS, reading=False) for _ in range(3))
        assert took[0] < 1 and took[2] < 5, "other tests share the cores; `make bench-serve` measures it alone"
