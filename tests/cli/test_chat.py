"""The terminal conversation, piped in and at a real terminal (a pty)."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from empathic import files
from empathic.cli import chat
from empathic.recipe import Recipe
from empathic.run import Run
from empathic.run.artefacts import Manifest
from empathic.safety import replies

NOTICE = replies.package().disclosure()


def piped(said: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "empathic.cli", "chat", *map(str, arguments)],
        input=said,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def run(tmp_path: Path, tiny_gguf: Path) -> Path:
    """A run whose two systems have their files."""
    made = Run(tmp_path / "run", Recipe(name="small"), Manifest(name="small", empathic="0"))
    made.save()
    for system in (made.systems[0], made.systems[-1]):
        made.gguf(system).parent.mkdir(exist_ok=True)
        made.gguf(system).symlink_to(tiny_gguf)
    return made.folder


@pytest.mark.slow
def test_lines_piped_in_are_messages_and_only_save_keeps_them(run: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    said = "My dog is gone.\nHe was old.\n/new\na\x1b[2Jb\n" + "word " * 9000 + "\nHello\n/quit\nnot this\n"
    done = piped(said, run, "--beside", "base", "--save", kept)
    assert done.returncode == 0, done.stderr
    assert NOTICE in done.stdout.splitlines()[0]
    refused = done.stderr.strip().splitlines()
    assert len(refused) == 2, refused
    assert done.stdout.count("dpo> ") == done.stdout.count("base> ") == 3
    assert "U+001B" in refused[0] and "too long" in refused[1]
    rows = list(files.read_jsonl(kept))
    assert [(row["system"], len(row["messages"])) for row in rows] == [("dpo", 5), ("base", 5), ("dpo", 3), ("base", 3)]
    assert rows[0]["messages"][0]["role"] == "system" and "empathy" in rows[0]["messages"][0]["content"]
    assert [turn["content"] for turn in rows[0]["messages"][1::2]] == ["My dog is gone.", "He was old."]
    again = piped("Hello\n", run, "--save", kept)
    assert again.returncode == 0 and len(list(files.read_jsonl(kept))) == 5
    assert "base" not in again.stdout


@pytest.mark.slow
def test_a_system_without_a_file_is_a_line(run: Path, refused: Callable[..., str]) -> None:
    assert "sft has no file yet" in refused("chat", run, "--system", "sft")
    assert "did you mean 'base'" in refused("chat", run, "--system", "basis")


class Terminal:
    """A chat at a pty."""

    def __init__(self, *arguments: object) -> None:
        self.process, self.end = pty.fork()
        if self.process == 0:
            os.execv(sys.executable, [sys.executable, "-m", "empathic.cli", "chat", *map(str, arguments)])
        self.seen = ""

    def until(self, pattern: str, seconds: float = 60) -> str:
        """What was shown up to a pattern."""
        ends = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < ends, self.seen
            if select.select([self.end], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.end, 65536).decode("utf-8", "replace")
                except OSError:  # the other side is closed
                    assert re.search(pattern, self.seen), self.seen
        shown, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return shown

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.end, keys.encode())

    def code(self) -> int:
        """Its exit code, once it ended."""
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Open chats at ptys."""
    opened: list[Terminal] = []

    def begin(*arguments: object) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield begin
    for one in opened:
        try:
            os.kill(one.process, signal.SIGKILL)
            os.waitpid(one.process, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(one.end)


@pytest.mark.parametrize("end", ["\x03", "\x04", "/quit\r"])
@pytest.mark.slow
def test_ctrl_c_stops_a_reply_and_at_the_prompt_the_program(
    terminal: Callable[..., Terminal], run: Path, end: str
) -> None:
    recipe = run / "recipe.yaml"
    recipe.write_text(
        recipe.read_text(encoding="utf-8").replace("max_tokens: 128", "max_tokens: 1500"), encoding="utf-8"
    )
    at = terminal(run, "--without-gate")  # which shows whole sentences, and the tiny model ends few
    assert "The safety gate is off" in at.until("you> ")
    at.type("Hello\r")
    at.until(r"dpo>\S* *\S")
    at.type("\x03")
    assert "(stopped)" in at.until("you> ")
    time.sleep(0.3)  # readline misses a signal that comes just before it waits
    at.type(end)
    assert at.code() == 0


@pytest.mark.slow
def test_what_one_types_to_be_rid_of_a_program_is_told_to_nobody(run: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    done = piped("/help\nexit\nQUIT\n/ my boat sank\n/exit\nnot this\n", run, "--save", kept)
    assert done.returncode == 0, done.stderr
    refused = done.stderr.strip().splitlines()
    assert [line.split(": ")[1] for line in refused] == ["/help", "exit", "QUIT"]
    assert all("no such command" in line and "/quit ends" in line for line in refused)
    assert [row["messages"][1]["content"] for row in files.read_jsonl(kept)] == ["/ my boat sank"]


@pytest.mark.slow
def test_where_nothing_can_be_kept_nothing_is_said(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": 1}\n')
    for save, why in ((other / "kept.jsonl", "can't be written"), (other, "something else than conversations")):
        done = piped("My boat sank.\n", run, "--save", save)
        assert done.returncode == 2 and "dpo> " not in done.stdout
        assert why in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert other.read_text() == '{"id": 1}\n'


def test_a_file_to_save_to_is_made_with_its_folder_and_never_taken_away(tmp_path: Path) -> None:
    new, link = tmp_path / "new" / "kept.jsonl", tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "not yet.jsonl")
    assert chat._kept(new) == chat._kept(link) == []
    assert new.parent.is_dir() and not new.exists() and link.is_symlink()


@pytest.mark.slow
def test_bytes_that_are_none_of_utf_8_are_told_of(run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "empathic.cli", "chat", run],
        input=b"My caf\xe9 burnt down.\n",
        capture_output=True,
        timeout=120,
        env={**os.environ, "LANG": "C", "LC_ALL": "C"},
    )
    assert done.returncode == 0 and b"dpo> " not in done.stdout
    assert done.stderr.decode().strip() == "empathic: stdin: not UTF-8; save the messages as UTF-8"


@pytest.mark.slow
def test_ctrl_c_while_a_model_loads_ends_it(tiny_gguf: Path) -> None:
    code = "import sys; from pathlib import Path; from empathic.endpoints import llama_cpp\n"
    code += "for _ in range(5): one = llama_cpp.load(Path(sys.argv[1]), 1); del one\nprint('gone')"
    done = subprocess.run([sys.executable, "-c", code, tiny_gguf], capture_output=True, text=True, timeout=60)
    assert done.stdout == "gone\n", done.stderr
    code = "import os, signal, sys; from pathlib import Path; from empathic.endpoints import llama_cpp\n"
    code += "whole = llama_cpp._first_task\n"
    code += "def first(*told): os.kill(os.getpid(), signal.SIGINT); whole(*told); print('up', flush=True)\n"
    code += "llama_cpp._first_task = first\nllama_cpp.load(Path(sys.argv[1]), 1)\nprint('not this')"
    done = subprocess.run([sys.executable, "-c", code, tiny_gguf], capture_output=True, text=True, timeout=60)
    assert done.stdout == "up\n" and "KeyboardInterrupt" in done.stderr
