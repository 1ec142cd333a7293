"""A program that never outlives us, however we end: by an exception, by Ctrl-C, or by a kill that no Python hears of.

vLLM's engines are processes of their own. Where their server is killed they stay, and keep the GPU's memory
(https://github.com/vllm-project/vllm/issues/55510). So this file also runs as a process between us and the program: it
leads the program's process group and reads a pipe whose other end we hold. When that end is closed, be it by us or
because we are gone, it asks the program to end, and then kills the whole group. Nothing but the standard library is in
it, since it runs by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_GRACE = 15.0  # seconds in which a program that is asked to end may do so by itself


@contextmanager
def tethered(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program within the block; it and all that it started end with the block, or with us.

    Args:
        command: the program and its arguments.
        log: the file that takes all that it says.
        env: its environment.

    Yields:
        The process that holds it, which ends when the program does.
    """
    with log.open("wb") as said:
        holder = subprocess.Popen(
            [sys.executable, "-I", __file__, *command],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env=env,
            start_new_session=True,  # a group of its own, which Ctrl-C in a terminal doesn't reach
        )
    assert holder.stdin, "it has a pipe"
    try:
        yield holder
    finally:
        holder.stdin.close()
        holder.wait()


def _hold(command: Sequence[str]) -> None:
    """Run a program until it ends or the pipe closes, and leave nothing of its group behind, this process included."""
    try:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")
    threading.Thread(target=_until_let_go, args=(program,), daemon=True).start()
    program.wait()
    os.killpg(0, signal.SIGKILL)


def _until_let_go(program: subprocess.Popen[bytes]) -> None:
    sys.stdin.buffer.read()
    program.terminate()
    time.sleep(_GRACE)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _hold(sys.argv[1:])
