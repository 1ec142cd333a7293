"""A run to vote on, and its page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from voting import NASTY, N, Start

from empathic import files
from empathic.recipe import Recipe
from empathic.run import Run
from empathic.run.artefacts import Manifest
from empathic.vote import ballot_pairs, server
from empathic.vote.ballots import Ballots


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's replies to twelve dialogues: the student's says GOOD."""
    folder = tmp_path / "run"
    Run(folder, Recipe(name="voted"), Manifest(name="voted", empathic="0")).save()
    rows = [
        {"id": f"d{i}", "situation": "", "utterance": f"Message {i} {NASTY}", "split": "test"}
        | {"replies": {"human": {"text": f"A person's reply {i}"}}}
        for i in range(N)
    ]
    files.write_jsonl(folder / "dialogues.jsonl", rows)
    for system, word in (("dpo", "GOOD"), ("base", "bad")):
        replies = [{"id": f"d{i}", "utterance": "", "reply": f"{word} reply {i} {NASTY}"} for i in range(N)]
        files.write_jsonl(folder / "replies" / f"{system}.jsonl", replies)
    return folder


@pytest.fixture
def start(run: Path) -> Iterator[Start]:
    """Serve the run's page; every start opens the votes anew."""
    stop: list[Callable[[], None]] = []

    def begin() -> str:
        opened = Run.open(run)
        ballots = Ballots(opened.votes_file, "dpo", "base", opened.systems)
        listening = server.serve(ballot_pairs.pairs(opened, "dpo", "base", 0), ballots, 0)
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        stop.extend((listening.shutdown, listening.server_close, ballots.close))
        return f"http://127.0.0.1:{listening.server_address[1]}"

    yield begin
    for end in stop:
        end()
