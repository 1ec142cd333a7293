from __future__ import annotations

import json
from pathlib import Path

import pytest
from reading_data import N, answer, make_run


@pytest.mark.slow
def test_replies_are_read_from_sheets_to_the_table(empathic, refused, tmp_path: Path) -> None:
    run, out = make_run(tmp_path), tmp_path / "out"
    done = empathic("read", "sheets", run, "--systems", "dpo,base", "--size", 20, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "second-01.txt: 6 replies for a second reader" in done.stdout
    assert "is there already" in refused("read", "sheets", run, "--out", out)
    files = [answer(out, name) for name in ("sheet-01", "sheet-02")]
    assert "no grades for 6 of 6" in refused("read", "take", out, out / "answers-second-01.txt", "--reader", "Grace")
    done = empathic("read", "take", out, *files, "--reader", "Ada", "--against", "base")
    assert done.returncode == 0, done.stderr
    assert "dpo over base" in done.stdout and "100%" in done.stdout
    assert "not read yet: second-01" in done.stderr
    answer(out, "second-01", strict=True)
    done = empathic("read", "take", out, out / "answers-second-01.txt", "--reader", "m", "--kind", "model", "--json")
    rates = {row["system"]: row for row in json.loads(done.stdout)["rates"]}
    assert rates["dpo"]["n"] == N and rates["dpo"]["twice"] + rates["base"]["twice"] == 6
    assert "two readers agree on send" in empathic("read", "rates", out / "readings.jsonl").stdout
    assert "no readings of that system" in refused("read", "rates", out / "readings.jsonl", "--against", "x")


@pytest.mark.slow
def test_what_isnt_there_is_one_line(refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no dialogues.jsonl there" in refused("read", "sheets", tmp_path / "empty", "--out", tmp_path / "x")
    assert "no key.json there" in refused("read", "take", tmp_path, tmp_path / "a.txt", "--reader", "Ada")
    assert "can't be read" in refused("read", "rates", tmp_path / "a.jsonl")
    assert "--systems" in refused("read", "sheets", _replies(tmp_path), "--systems", "a", "--out", tmp_path / "x")
    assert "neither a run directory" in refused("read", "ask", "a=b.jsonl")


def _replies(folder: Path) -> Path:
    path = folder / "mine.jsonl"
    path.write_text(json.dumps({"id": "1", "utterance": "m", "reply": "r"}))
    return path
