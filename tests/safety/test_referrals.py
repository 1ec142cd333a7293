"""The counter of referrals: a number a day, and nothing else."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from empathic.errors import UserError
from empathic.safety.referrals import Referrals


def test_a_number_a_day_and_nothing_else(tmp_path: Path) -> None:
    path, days = tmp_path / "new" / "counts.json", [date(2026, 11, 26), date(2026, 11, 26), date(2026, 11, 27)]
    coming = iter(days)
    counter = Referrals(path, lambda: next(coming))
    assert not path.exists(), "nothing to count yet"
    for _ in days:
        counter.add()
    assert json.loads(path.read_text(encoding="utf-8")) == {"2026-11-26": 2, "2026-11-27": 1}


def test_many_at_a_time_are_all_counted(tmp_path: Path) -> None:
    day = date(2026, 11, 26)
    counters = [Referrals(tmp_path / "counts.json", lambda: day) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        [*pool.map(lambda n: counters[n % 2].add(), range(24))]
    assert json.loads((tmp_path / "counts.json").read_text(encoding="utf-8")) == {"2026-11-26": 24}


@pytest.mark.parametrize("text", ["[1]", "not JSON", '{"today": 1}', '{"2026-11-26": "two"}', '{"2026-11-26": -1}'])
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "counts.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"counts\.json"):
        Referrals(path)
    assert path.read_text(encoding="utf-8") == text


def test_a_count_that_cannot_be_written_stops_nobody_s_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counter = Referrals(tmp_path / "counts.json")
    (tmp_path / "counts.json").mkdir()
    counter.add()
    assert "wasn't counted" in capsys.readouterr().err
