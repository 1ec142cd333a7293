"""The clients of a server: their places are freed when they go, and their replies end with it."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from asking import HELLO, Start, client, long_stream, post
from openai import InternalServerError

from empathic.conversation.clients import gone, while_there
from empathic.conversation.engine import Chunk, Engine
from empathic.conversation.speaker import Speaker

SOON = 2  # seconds, where other tests share the cores; a reply that is not ended goes on for three, alone


def busy(engine: Engine) -> int:
    return sum(slot["is_processing"] for slot in engine._asked("GET", "/slots"))


def test_a_client_that_goes_frees_its_slot_and_a_full_queue_says_when_to_come_back(
    start: Start, speaker: Speaker
) -> None:
    server = start(speaker, limit=2)
    asking = [long_stream(server), long_stream(server)]
    refused = post(server)
    assert refused.status_code == 503 and refused.headers["retry-after"] == "5"
    with pytest.raises(InternalServerError):
        client(server).chat.completions.create(model="tiny", messages=HELLO)
    assert busy(speaker.engine) == 2
    for one in asking:
        one.close()
    gone = time.monotonic()
    while busy(speaker.engine) or post(server, max_tokens=1).status_code != 200:
        time.sleep(0.02)
    assert time.monotonic() - gone < SOON


def test_replies_that_are_written_are_ended_with_the_server(start: Start, speaker: Speaker) -> None:
    server = start(speaker)
    with long_stream(server) as asking:
        assert busy(speaker.engine) == 1
        server.replies.end()
        ended = time.monotonic()
        while asking.recv(65536):
            pass
        while busy(speaker.engine):
            time.sleep(0.02)
        assert time.monotonic() - ended < SOON


def test_ctrl_c_ends_serve_while_a_reply_is_written(tiny_gguf: Path) -> None:
    command = [sys.executable, "-m", "empathic.cli", "serve", "--model", str(tiny_gguf), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        port = int(serving.stdout.readline().rstrip("/\n").rsplit(":", 1)[1])
        name = serving.stdout.readline().split(" for ")[1].split(":")[0]
        with long_stream(port, name):
            serving.send_signal(signal.SIGINT)
            try:
                assert serving.wait(20) == 0
            finally:
                serving.kill()


def test_a_message_is_counted_at_once_while_many_replies_wait(speaker: Speaker) -> None:
    hello = [{"role": "user", "content": "Hello"}]
    replies = [speaker.reply(hello, max_tokens=2000, temperature=2.0) for _ in range(12)]
    asking = [threading.Thread(target=list, args=(reply,), daemon=True) for reply in replies]
    for one in asking:
        one.start()
    time.sleep(0.5)  # two are written now, and ten wait
    started = time.monotonic()
    speaker.engine.tokens(hello)
    seconds = time.monotonic() - started
    assert any(one.is_alive() for one in asking)
    for reply in replies:
        reply.close()
    for one in asking:
        one.join(5)
    assert seconds < 0.3


def test_connections_have_a_bound(start: Start, speaker: Speaker) -> None:
    server = start(speaker)
    server.connections = threading.BoundedSemaphore(1)
    with httpx2.Client() as one:
        assert one.get(f"{server.url}/health").status_code == 200
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{server.url}/health")
        assert one.get(f"{server.url}/health").status_code == 200


def test_a_client_is_looked_at_whatever_its_descriptor() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.skip("the computer allows too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    ours, theirs = socket.socketpair()
    with ours, socket.socket(fileno=os.dup2(ours.fileno(), 1500)) as high:
        assert not gone(high)
        theirs.send(b"more")
        assert not gone(high)
        high.recv(4)
        theirs.close()
        assert gone(high)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_that_goes_before_the_first_word_ends_its_reply() -> None:
    ours, theirs = socket.socketpair()
    ended = threading.Event()

    class Waiting:
        def __iter__(self) -> Iterator[Chunk]:
            return iter(())

        def close(self) -> None:
            ended.set()

    with ours, while_there(ours, Waiting()):
        theirs.close()
        assert ended.wait(2)
