"""What a manifest says of the code that made a run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from empathic import files
from empathic.pipeline.runner import revision

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


def _repository(folder: Path) -> str:
    """A repository with one commit; returns its revision."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env["GIT_CONFIG_GLOBAL"] = os.devnull
    for prefix in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{prefix}_NAME": "n", f"GIT_{prefix}_EMAIL": "n@example.org"}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", folder.name)
    return git("rev-parse", "HEAD")


@needs_git
def test_a_source_tree_that_is_a_repository_has_its_revision(tmp_path: Path) -> None:
    assert revision(tmp_path) is None
    head = _repository(tmp_path)
    assert revision(tmp_path) == head


@needs_git
def test_the_revision_of_another_project_is_not_taken_for_ours(tmp_path: Path) -> None:
    _repository(tmp_path)
    installed = tmp_path / ".venv" / "lib" / "python3" / "site-packages"
    installed.mkdir(parents=True)
    assert revision(installed) is None


@needs_git
def test_gits_variables_do_not_name_another_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ours", "other"):
        (tmp_path / name).mkdir()
    ours, other = _repository(tmp_path / "ours"), _repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert revision(tmp_path / "ours") == ours
    monkeypatch.delenv("GIT_DIR")
    assert revision(tmp_path / "other") == other


@pytest.mark.slow
def test_a_run_needs_no_git(empathic, tmp_path: Path) -> None:
    done = empathic("run", "demo", "--out", tmp_path / "run", "--until", "dialogues", PATH="")
    assert done.returncode == 0, done.stderr
    assert files.read_json(tmp_path / "run" / "manifest.json")["git"] is None
