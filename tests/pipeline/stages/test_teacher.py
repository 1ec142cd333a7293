"""The teacher stage as people run it: a whole recipe against a server that misbehaves."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from boats import boats
from habits import Sent, said

from empathic import files
from empathic.endpoints.ledger import Ledger

KEY = "sk-very-secret-indeed"


@pytest.fixture
def forty(tmp_path: Path) -> Path:
    """Forty dialogues with a person's reply."""
    path = tmp_path / "forty.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in boats(42)), encoding="utf-8")
    return path


def _recipe(path: Path, url: str, method: str = "human-improved", **teacher: Any) -> Path:
    asked = {"endpoint": url, "model": "gpt-4o", "key_env": "SOME_KEY", "timeout": 1.0, **teacher}
    recipe = path.parent / f"{method}.yaml"
    recipe.write_text(
        json.dumps(
            {
                "name": method,
                "dialogues": {"source": path.name},
                "method": {"name": method},
                "strategy": "in-sequence",
                "teacher": asked,
            }
        ),
        encoding="utf-8",
    )
    return recipe


def _start(recipe: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "empathic.cli", "run", str(recipe), "--out", str(out), "--until", "corpus", *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "SOME_KEY": KEY})


def _rows(ledger: Path) -> list[dict[str, Any]]:
    with closing(Ledger(ledger)) as kept:
        return list(kept.rows())


def _answers(ledger: Path) -> set[str]:
    return {json.dumps(row["request"]["messages"]) for row in _rows(ledger)}


@pytest.mark.long
@pytest.mark.slow
def test_killed_eight_times_nothing_in_the_ledger_is_sent_again(faulty, forty: Path, tmp_path: Path) -> None:
    server = faulty("--latency", 0.1, "--faults", 0.2, "--only", "500", "--only", "reset", "--only", "truncated")
    recipe = _recipe(forty, server.url, max_connections=4)
    dice, kills = random.Random(7), 0
    came: dict[str, int] = {}  # by request, how often it had come when its answer was first seen in the ledger
    while kills < 8:
        run = _start(recipe, tmp_path / "killed")
        ledger = tmp_path / "killed" / "ledger.sqlite"
        deadline, grown = time.monotonic() + 30, len(came) + 1 if kills % 3 == 0 else 0  # two in three come early
        while run.poll() is None and time.monotonic() < deadline:
            if ledger.exists() and len(_answers(ledger)) >= grown:
                break
            time.sleep(0.02)
        time.sleep(dice.uniform(0.0, 0.25))
        run.send_signal(signal.SIGKILL)
        run.communicate()
        kills += 1
        time.sleep(0.2)  # the server lets go of what the killed run had asked
        so_far = server.counts()["came"]
        for asked in _answers(ledger) if ledger.exists() else ():
            came.setdefault(known := hashlib.sha256(asked.encode()).hexdigest(), so_far[known])
    assert len(came) > 4, "too few answers came before the last kill to tell"
    last = _start(recipe, tmp_path / "killed")
    assert last.wait() == 0, last.communicate()
    counts = server.counts()
    assert {known: counts["came"][known] for known in came} == came
    assert len(_answers(tmp_path / "killed" / "ledger.sqlite")) == 120
    whole = _start(recipe, tmp_path / "whole")
    assert whole.wait() == 0, whole.communicate()
    for name in ("teacher.jsonl", "corpus/sft.jsonl", "corpus/preferences.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert _answers(tmp_path / "killed" / "ledger.sqlite") == _answers(tmp_path / "whole" / "ledger.sqlite")
    assert not list((tmp_path / "killed").glob("teacher.*.jsonl"))


@pytest.mark.slow
def test_two_runs_at_once_share_a_ledger(faulty, forty: Path, tmp_path: Path) -> None:
    server = faulty("--latency", 0.05)
    recipe = _recipe(forty, server.url, max_connections=8)
    shared = ("--set", f"ledger={tmp_path / 'shared.sqlite'}")
    runs = [_start(recipe, tmp_path / name, *shared) for name in ("one", "two")]
    assert [run.wait() for run in runs] == [0, 0], [run.communicate() for run in runs]
    assert (tmp_path / "one" / "teacher.jsonl").read_bytes() == (tmp_path / "two" / "teacher.jsonl").read_bytes()
    assert len(_answers(tmp_path / "shared.sqlite")) == 120
    before = server.counts()["came"]
    assert _start(recipe, tmp_path / "three", *shared).wait() == 0
    assert server.counts()["came"] == before


@pytest.mark.slow
def test_a_budget_stops_before_it_is_passed_and_more_money_goes_on(faulty, forty: Path, tmp_path: Path) -> None:
    server = faulty("--latency", 0.05)
    recipe, out = _recipe(forty, server.url, max_connections=2, budget=0.03), tmp_path / "run"
    stopped = _start(recipe, out)
    assert stopped.wait() == 2
    line = stopped.communicate()[1].strip()
    assert "teacher.budget: 0.03 US dollars are used up" in line
    ledger = Ledger(out / "ledger.sqlite")
    url = f"{server.url} gpt-4o"
    spent, answered = ledger.spent(url), ledger.bill()[0]["answers"]
    ledger.close()
    assert 0.01 < spent <= 0.03
    assert answered == sum(server.counts()["well"].values())
    assert _start(recipe, out, "--set", "teacher.budget=5").wait() == 0
    assert set(server.counts()["well"].values()) == {1}


@pytest.mark.slow
def test_what_was_put_aside_is_asked_again_by_the_next_run(faulty, forty: Path, tmp_path: Path) -> None:
    bad = faulty("--faults", 0.4, "--only", "400")
    out = tmp_path / "run"
    assert _start(_recipe(forty, bad.url), out).wait() == 0
    aside = list(files.read_jsonl(out / "aside.jsonl"))
    assert 0 < len(aside) < 40
    assert "400" in aside[0]["aside"]
    assert _start(_recipe(forty, bad.url), out).wait() == 0
    assert len(list(files.read_jsonl(out / "aside.jsonl"))) < len(aside)
    ids = [row["id"] for row in files.read_jsonl(out / "teacher.jsonl")]
    assert ids == sorted(ids, key=lambda id: int(id[1:]))


@pytest.mark.slow
def test_a_key_is_nowhere_on_disk_and_in_no_message(faulty, forty: Path, tmp_path: Path) -> None:
    said: list[str] = []
    for faults in (("--faults", 0.3), ("--faults", 1, "--only", "401")):
        run = _start(_recipe(forty, faulty(*faults).url), tmp_path / f"run{len(said)}")
        said.append(run.communicate()[1])
    assert "refused the key" in said[1]
    assert KEY not in "".join(said)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_method_without_a_teacher_and_a_missing_key_are_refused(refused, forty: Path, tmp_path: Path) -> None:
    recipe = _recipe(forty, "http://127.0.0.1:9/v1")
    assert "SOME_KEY" in refused("run", recipe, "--out", tmp_path / "a", "--until", "teacher")
    line = refused("run", recipe, "--out", tmp_path / "b", "--until", "teacher", "--set", "teacher.endpoint=null")
    assert "teacher.endpoint" in line
    line = refused("run", recipe, "--out", tmp_path / "c", "--until", "teacher", "--set", "strategy=kind", SOME_KEY="x")
    assert "lacking-dimension" in line
    assert "budget" in refused("run", recipe, "--out", tmp_path / "d", "--set", "teacher.budget=0")


@pytest.mark.long
@pytest.mark.slow
def test_batches_are_handed_over_and_fetched_another_day(faulty, empathic, forty: Path, tmp_path: Path) -> None:
    server = faulty("--faults", 0.2, "--takes-no", "max_tokens")
    recipe, out = _recipe(forty, server.url, batch=True), tmp_path / "run"
    said: list[str] = []
    for _ in range(40):
        done = empathic("run", recipe, "--out", out, "--until", "corpus", SOME_KEY=KEY)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.strip().splitlines()[-1])
        if (out / "corpus" / "sft.jsonl").exists():
            break
    assert said[0].startswith("40 requests are handed over")
    assert said[1].startswith("1 batches with 40 requests are under way")
    assert [row["id"] for row in files.read_jsonl(out / "teacher.jsonl")] == [f"d{i}" for i in range(2, 42)]
    assert len(_answers(out / "ledger.sqlite")) == 120
    ledger = Ledger(out / "ledger.sqlite")
    assert ledger.bill()[0]["cost"] == pytest.approx(ledger.bill()[0]["prompt_tokens"] / 100 * 0.000225)
    ledger.close()
    one_by_one = _start(_recipe(forty, server.url), tmp_path / "other")
    assert one_by_one.wait() == 0, one_by_one.communicate()
    assert (out / "teacher.jsonl").read_bytes() == (tmp_path / "other" / "teacher.jsonl").read_bytes()


@pytest.mark.slow
def test_a_dry_run_says_what_it_would_cost(empathic, forty: Path) -> None:
    shown = empathic("run", _recipe(forty, "https://api.openai.com/v1"), "--dry-run").stdout
    assert "about 120 requests to gpt-4o" in shown
    assert "$0.1" in shown


@pytest.mark.slow
def test_what_a_server_does_not_take_is_said_and_what_it_wants_is_passed(
    faulty, empathic, forty: Path, tmp_path: Path
) -> None:
    server = faulty("--takes-no", "temperature")
    more: dict[str, Any] = {"max_connections": 4, "extra_body": {"reasoning_effort": "low"}}
    done = empathic(
        "run", _recipe(forty, server.url, **more), "--out", tmp_path / "run", "--until", "teacher", SOME_KEY=KEY
    )
    assert done.returncode == 0, done.stderr
    assert "takes no temperature" in " ".join(f"{done.stdout} {done.stderr}".split())
    assert sum(server.counts()["came"].values()) <= 120 + 8
    rows = [row["request"] for row in _rows(tmp_path / "run" / "ledger.sqlite")]
    assert {row["extra_body"]["reasoning_effort"] for row in rows} == {"low"}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["direct", "human-improved", "llm-improved"])
def test_a_teacher_without_one_reply_to_learn_from_ends_so_whatever_the_method(
    habits, refused, forty: Path, tmp_path: Path, method: str
) -> None:
    """The direct turn of *llm-improved* goes well; what it improves doesn't, and is asked again alone."""
    firsts: list[str] = []

    def habit(asked: dict[str, Any]) -> Sent:
        text = asked["messages"][0]["content"]
        if "Reply:" in text or method == "direct":
            return said("I can't help with that." if method == "direct" else "Three weeks, and still no letter.")
        firsts.append(text)
        return said()

    out, settings = tmp_path / "run", ("--set", "strategy=lacking-dimension")
    recipe = _recipe(forty, habits(habit).url, method, max_connections=8)
    why = "refuses" if method == "direct" else "names no dimension"
    for _ in range(2):
        line = refused("run", recipe, "--out", out, "--until", "teacher", *settings, SOME_KEY=KEY)
        assert "teacher: not one reply" in line and f"{why}, 8 times (40 dialogues)" in line
        assert len(list(files.read_jsonl(out / "aside.jsonl"))) == 40
    assert len(firsts) == len(set(firsts)) == (40 if method == "llm-improved" else 0)


@pytest.mark.slow
def test_filters_that_leave_nothing_to_learn_from_are_named(habits, refused, forty: Path, tmp_path: Path) -> None:
    def habit(asked: dict[str, Any]) -> Sent:
        return said("Boat and bay, and no mast.") if "Reply:" in asked["messages"][0]["content"] else said()

    recipe = _recipe(forty, habits(habit).url, "llm-improved", filters={"words": [60, 97]})
    line = refused(
        "run", recipe, "--out", tmp_path / "run", "--until", "teacher", "--set", "strategy=naive", SOME_KEY=KEY
    )
    assert "teacher: not one reply; teacher.filters removed 40 by words" in line
