from __future__ import annotations

import subprocess
import sys
import time


def test_help_answers_at_once() -> None:
    times = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "empathic.cli", "--help"], capture_output=True, text=True)
        times.append(time.monotonic() - started)
        assert done.returncode == 0
        assert "compare" in done.stdout
    assert min(times) < 0.5


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, empathic.cli.main; print({'torch', 'transformers', 'trl', 'openai'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_lists_of_recipes_and_models(empathic) -> None:
    assert "demo" in empathic("recipes").stdout
    assert "qwen2.5-coder-1.5b" in empathic("models").stdout


def test_a_users_mistake_is_one_line_and_exit_code_2(refused) -> None:
    assert "did you mean 'demo'" in refused("run", "dmeo")
    assert "did you mean 'epochs'" in refused("demo", "--set", "sft.epocs=1")
    assert "no such stage" in refused("demo", "--until", "lunch", "--out", "x")
    assert "known:" in refused("models", "pull", "gpt-5")
    assert "models pull" in refused("models", "fetch")


def test_a_report_of_what_is_no_run_is_refused(refused, tmp_path) -> None:
    assert "manifest.json" in refused("report", tmp_path)


def test_a_misspelt_option_is_refused(empathic) -> None:
    done = empathic("demo", "--untill", "corpus")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_power_says_what_a_number_of_dialogues_can_show(empathic) -> None:
    shown = empathic("power", "--n", 250, "--ties", 0).stdout
    assert "58.8%" in shown
    assert "12.9 points" in empathic("power", "--n", 250, "--ties", 0, "--alike", 0).stdout
    assert empathic("power").stdout.count("points") == 6
    assert empathic("power", "--n", 0).returncode == 2
