"""Ctrl-C while llama.cpp loads: kept until it has loaded, and lost in no case."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from empathic.endpoints import llama_cpp


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def _interrupted(work: Callable[[], None] = lambda: None) -> list[str]:
    said = []
    with llama_cpp._interrupts_held():
        signal.raise_signal(signal.SIGINT)
        said.append("went on")
        work()
    return said


def test_it_comes_when_the_block_is_done() -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted()


def test_it_comes_though_the_block_fails() -> None:
    def fails() -> None:
        raise ValueError("no model")

    with pytest.raises(KeyboardInterrupt) as ended:
        _interrupted(fails)
    assert isinstance(ended.value.__context__, ValueError)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_whoever_handles_it_otherwise_still_does(handler: Any) -> None:
    signal.signal(signal.SIGINT, handler)
    assert _interrupted() == ["went on"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_another_thread_holds_nothing() -> None:
    before, found = signal.getsignal(signal.SIGINT), []

    def look() -> None:
        with llama_cpp._interrupts_held():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [before]
