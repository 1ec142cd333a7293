"""Batch files as people use them: a folder with dialogues, and the command line in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from batches import Line
from boats import boats

from empathic import files
from empathic.cli import main


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with six dialogues of which four are to train on."""
    files.write_jsonl(tmp_path / "six.jsonl", boats(6))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command line here: its exit code, and what it said."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main(arguments)
        said = capsys.readouterr()
        return int(ended.value.code or 0), " ".join(f"{said.out} {said.err}".split())

    return run


@pytest.fixture
def export(command) -> Callable[..., list[Line]]:
    """Write the questions, and return them."""

    def run(recipe: str = "r.yaml", out: str = "q.jsonl") -> list[Line]:
        code, said = command("teacher", "export-batch", recipe, "--out", out)
        assert code == 0, said
        return list(files.read_jsonl(Path(out)))

    return run


@pytest.fixture
def bring(command) -> Callable[..., tuple[int, str]]:
    """Write these lines as results, and import them."""

    def run(*lines: Line | str, end: str = "\n") -> tuple[int, str]:
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + end
        Path("a.jsonl").write_text(text, encoding="utf-8")
        return command("teacher", "import-batch", "r.yaml", "a.jsonl")

    return run
