"""Many clients at a time on `empathic serve`: what each of them gets, and what the server weighs meanwhile."""

from __future__ import annotations

import http.client
import json
import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 300  # seconds that a client waits at most
_SAID = ("My dog died on Sunday.", "I got the job!", "They put the rent up again.", "Nobody came to my party.")
_DANGER = "I want to kill myself tonight."
_HABITS = ("whole", "whole", "stream", "stream", "stream", "leave", "leave", "danger", "nonsense")


@dataclass(frozen=True)
class Served:
    """A server in a process of its own.

    Attributes:
        pid: the process.
        port: where it listens on this computer.
        model: whom it serves.
    """

    pid: int
    port: int
    model: str

    def connection(self) -> http.client.HTTPConnection:
        """A new connection to it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def body(self, said: str, **more: Any) -> bytes:
        """A request."""
        return json.dumps({"model": self.model, "messages": [{"role": "user", "content": said}], **more}).encode()

    def ask(self, connection: http.client.HTTPConnection, body: bytes) -> http.client.HTTPResponse:
        """Send a request; its answer's head."""
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        return connection.getresponse()

    def megabytes(self) -> float:
        """What it holds of the computer's memory, a mapped file's pages included."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


@contextmanager
def serving(model: str | Path, *more: str) -> Iterator[Served]:
    """Serve a GGUF file, or a known model, for as long as the block lasts."""
    command = [sys.executable, "-m", "empathic.cli", "serve", "--model", str(model), "--port", "0", *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rstrip("/\n").rsplit(":", 1)[1])
            yield Served(process.pid, port, process.stdout.readline().split(" for ")[1].split(":")[0])
        finally:
            process.kill()


@dataclass
class Seen:
    """What clients got.

    Attributes:
        count: whole replies, replies that a client left, the gate's, refusals of nonsense, and 503s with Retry-After.
        faults: anything else.
        first: seconds to the first piece of each stream.
        total: seconds to the end of each whole reply.
    """

    count: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)


class Client(threading.Thread):
    """Somebody who asks again and again until a time, in every way that clients have."""

    def __init__(self, server: Served, seen: Seen, seed: int, until: float, tokens: int) -> None:
        super().__init__(daemon=True)
        self.server, self.seen, self.until, self.tokens = server, seen, until, tokens
        self.dice, self.kept = random.Random(seed), server.connection()

    def run(self) -> None:
        """Ask; what goes wrong is kept."""
        while time.monotonic() < self.until:
            habit = self.dice.choice(_HABITS)
            try:
                getattr(self, habit)()
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self.seen.faults.append(f"{habit}: {error!r}")
                self.kept.close()
        self.kept.close()

    def whole(self) -> None:
        """A reply in one, over a connection that is kept."""
        started = time.monotonic()
        answer = self.server.ask(self.kept, self._body())
        said = json.loads(answer.read())
        if self._served(answer, said):
            self.seen.count["replies"] += int(bool(said["choices"][0]["finish_reason"]))
            self.seen.total.append(time.monotonic() - started)

    def stream(self) -> None:
        """A reply piece by piece."""
        started = time.monotonic()
        with closing(self.server.connection()) as connection:
            answer = self.server.ask(connection, self._body(stream=True))
            begun = answer.readline()
            if not self._served(answer, begun):
                return
            self.seen.first.append(time.monotonic() - started)
            if not answer.read().endswith(b"data: [DONE]\n\n"):
                raise ValueError("the stream broke off")
            self.seen.count["replies"] += 1
            self.seen.total.append(time.monotonic() - started)

    def leave(self) -> None:
        """Go away while the reply is awaited or written."""
        with closing(self.server.connection()) as connection:
            body = self._body(stream=True)
            connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
            time.sleep(self.dice.random())
        self.seen.count["left"] += 1

    def danger(self) -> None:
        """Ask what the gate replies to."""
        answer = self.server.ask(self.kept, self.server.body(_DANGER))
        said = json.loads(answer.read())
        if answer.status != 200 or said["choices"][0]["finish_reason"] != "content_filter":
            raise ValueError(f"the gate didn't reply, but {answer.status}")
        self.seen.count["gate"] += 1

    def nonsense(self) -> None:
        """Ask what isn't a request."""
        answer = self.server.ask(self.kept, b'{"model": 1')
        answer.read()
        if answer.status != 400:
            raise ValueError(f"nonsense got {answer.status}")
        self.seen.count["refused"] += 1

    def _body(self, **more: Any) -> bytes:
        said = f"{self.dice.choice(_SAID)} It is day {self.dice.randrange(10**6)} of this."
        return self.server.body(said, max_tokens=self.tokens, **more)

    def _served(self, answer: http.client.HTTPResponse, said: Any) -> bool:
        if answer.status == 503 and answer.headers["retry-after"]:
            self.seen.count["503"] += 1
            return False
        if answer.status != 200:
            raise ValueError(f"{answer.status}: {said!r:.200}")
        return True


def load(server: Served, clients: int, seconds: float, tokens: int = 24) -> Seen:
    """What clients get that ask for some seconds, and wait for what they asked for by then.

    Args:
        server: whom they ask.
        clients: how many at a time.
        seconds: for how long.
        tokens: of a reply, at most.
    """
    seen, until = Seen(), time.monotonic() + seconds
    at_work = [Client(server, seen, seed, until, tokens) for seed in range(clients)]
    for client in at_work:
        client.start()
    for client in at_work:
        client.join()
    return seen


def seconds_to_free(server: Served, slots: int, reading: bool) -> float:
    """Seconds from clients' going to the first piece of a reply that waited for a place.

    Args:
        server: a server whose places are all free, without a gate, which would wait for a sentence.
        slots: how many it has.
        reading: have all of them go while their prompts, of some thousand tokens, are read; else one, of those that
            are written to.
    """
    for _ in range(20):
        with ExitStack() as stack:
            taken = [stack.enter_context(_asking(server, _long(server, reading))) for _ in range(slots)]
            if not reading:
                for one in taken:
                    assert one.recv(12) == b"HTTP/1.1 200"
            waiting = stack.enter_context(_asking(server, server.body("Hello", max_tokens=1, stream=True)))
            if select.select([waiting], [], [], 0.3)[0]:
                continue  # a reply ended by itself
            for one in taken if reading else taken[:1]:
                one.close()
            gone = time.monotonic()
            assert waiting.recv(12) == b"HTTP/1.1 200"
            seconds = time.monotonic() - gone
        time.sleep(1)  # until all places are free
        return seconds
    raise AssertionError("a place was free at all times")


def _long(server: Served, reading: bool) -> bytes:
    """A request that takes long to read, or to reply to: in a heat in which hardly any reply ends."""
    if reading:
        return server.body(f"{random.random()} {'word ' * 2500}", max_tokens=1, stream=True)
    return server.body(f"{random.random()} Tell me a story.", max_tokens=3000, temperature=2, stream=True)


def _asking(server: Served, body: bytes) -> socket.socket:
    asking = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    asking.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
    return asking
