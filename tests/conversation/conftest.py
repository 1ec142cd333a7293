"""The tiny model as somebody to talk to, and a server that serves it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from empathic.conversation.engine import Engine
from empathic.conversation.server import Server
from empathic.conversation.speaker import Sampling, Speaker


@pytest.fixture(scope="session")
def engine(tiny_gguf: Path) -> Iterator[Engine]:
    """The tiny model in llama.cpp, two replies at a time."""
    loaded = Engine(tiny_gguf, 2)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def speaker(engine: Engine) -> Speaker:
    """The tiny model, told something in training."""
    return Speaker("tiny", "tiny.gguf", engine, "Be kind.", Sampling(8, 0.0, 0))


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Serve speakers on a free port."""
    started: list[Server] = []

    def begin(*speakers: Speaker, **settings: Any) -> Server:
        server = Server(port=0, **settings)
        server.speakers = {speaker.name: speaker for speaker in speakers}
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return server

    yield begin
    for server in started:
        server.shutdown()
        server.server_close()
