from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from habits import Sent, said


def _seconds(*arguments: str) -> tuple[float, str]:
    """The CPU seconds of the quickest of three processes, and what it printed."""
    times = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
        after = os.times()
        times.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return min(times), done.stdout


def test_help_takes_little_longer_than_the_libraries_that_it_needs() -> None:
    took, shown = _seconds("-m", "empathic.cli", "--help")
    assert "compare" in shown
    assert took < 2 * _seconds("-c", "import typer, rich.console, pydantic, yaml")[0]


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, empathic.cli.main; print({'torch', 'transformers', 'trl', 'openai'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_lists_of_recipes_and_models(empathic) -> None:
    assert "demo" in empathic("recipes").stdout
    assert "qwen2.5-coder-1.5b" in empathic("models").stdout


def test_a_users_mistake_is_one_line_and_exit_code_2(refused) -> None:
    assert "did you mean 'demo'" in refused("run", "dmeo")
    assert "did you mean 'epochs'" in refused("demo", "--set", "steps.sft.epocs=1")
    assert "no such stage" in refused("demo", "--until", "lunch", "--out", "x")
    assert "known:" in refused("models", "pull", "gpt-5")
    assert "models pull" in refused("models", "fetch")


def test_a_report_of_what_is_no_run_is_refused(refused, tmp_path) -> None:
    assert "manifest.json" in refused("report", tmp_path)


def test_a_misspelt_option_is_refused(empathic) -> None:
    done = empathic("demo", "--untill", "corpus")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_power_says_what_a_number_of_dialogues_can_show(empathic) -> None:
    shown = empathic("power", "--n", 250, "--ties", 0).stdout
    assert "58.8%" in shown
    assert "12.9 points" in empathic("power", "--n", 250, "--ties", 0, "--alike", 0).stdout
    assert empathic("power").stdout.count("points") == 6
    assert empathic("power", "--n", 0).returncode == 2


@pytest.mark.slow
def test_ctrl_c_says_that_the_same_command_goes_on_and_it_does(habits, empathic, eight: Path, tmp_path: Path) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def habit(asked: dict[str, object]) -> Sent:
        begun.set()
        stopped.wait(60)
        return said()

    (tmp_path / "r.yaml").write_text(
        f"dialogues: {{source: {eight.name}}}\nmethod: {{name: direct}}\nteacher: {{endpoint: {habits(habit).url}}}\n",
        encoding="utf-8",
    )
    command = ("run", "r.yaml", "--out", "run", "--until", "teacher")
    with subprocess.Popen(
        [sys.executable, "-m", "empathic.cli", *command], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as running:
        assert begun.wait(60)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert (running.returncode, told.strip()) == (130, "stopped; the same command goes on from here")
    stopped.set()
    assert empathic(*command).returncode == 0
