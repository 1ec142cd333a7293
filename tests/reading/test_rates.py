from __future__ import annotations

import json
from pathlib import Path

import pytest

from empathic.errors import UserError
from empathic.reading import readings
from empathic.reading.rates import agreement, differences, figures, rates
from empathic.reading.readings import Reading, of_row
from empathic.reading.rubric import Grades
from empathic.stats.win_rate import interval

GOOD, BAD = Grades(2, 2, 2, True), Grades(0, 1, 1, False)


def _read(system: str, sent: list[bool], reader: str = "r", second: bool = False, of: str = "") -> list[Reading]:
    return [
        Reading(system, f"d{i}", "m", f"{system} {i}", GOOD if send else BAD, reader, set=of, second=second)
        for i, send in enumerate(sent)
    ]


def test_sendable_has_wilsons_interval_and_means_stand_beside_it() -> None:
    (row,) = rates(_read("a", [True] * 3 + [False] * 7))
    assert (row.system, row.measure, row.n, row.estimate, row.twice, row.agree) == ("a", "sendable", 10, 0.3, 0, None)
    assert (row.low, row.high) == interval(0.3, 10)
    assert row.understood == pytest.approx(0.6) and row.feeling == pytest.approx(1.3)


def test_sets_are_told_apart_and_the_most_sendable_comes_first() -> None:
    rows = rates(_read("a", [False], of="x") + _read("b", [True], of="x") + _read("a", [True], of="y"))
    assert [(row.set, row.system) for row in rows] == [("x", "b"), ("x", "a"), ("y", "a")]


def test_a_second_reading_changes_no_rate_whenever_it_came() -> None:
    first, second = _read("a", [True] * 8 + [False] * 2), _read("a", [False] + [True] * 3, "other", second=True)
    (row,) = rates(second + first)
    assert (row.estimate, row.n, row.twice, row.agree) == (0.8, 10, 4, 0.75)


def test_agreement_is_by_grade_and_nothing_where_nothing_was_read_twice() -> None:
    first = _read("a", [True, False] * 10)
    assert agreement(first) == []
    found = {row.grade: row for row in agreement(first + _read("a", [True, False] * 9 + [True, True], "other"))}
    assert list(found) == ["understood", "feeling", "sense", "send"]
    assert found["send"].share == 0.95 and found["send"].n == 20
    assert found["send"].kappa == pytest.approx(0.9) and found["send"].low < 0.9 < found["send"].high


def test_a_difference_is_paired_on_the_messages_that_both_answered() -> None:
    both = _read("a", [True] * 12 + [False] * 3) + _read("b", [False] * 12) + _read("c", [True])
    (gap,) = differences(both, "b")
    assert (gap.a, gap.b, gap.n, gap.estimate) == ("a", "b", 12, 1.0)
    assert gap.p < 0.01 and 0 < gap.low < 1


def test_a_file_of_ours_is_taken_with_send_in_either_form(tmp_path: Path) -> None:
    row = {"system": "a", "set": "everyday", "id": "1", "utterance": "m", "reply": "r", "understood": 2, "feeling": 1}
    row |= {"sense": "2", "send": "y", "reader": "x", "rubric": "1"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "2", "send": False}))
    found = readings.read([tmp_path / "a.jsonl"])
    assert [one.grades.send for one in found] == [True, False]
    assert found[0].set == "everyday" and of_row(found[0].to_row()) == found[0]
    assert readings.read([tmp_path / "a.jsonl"] * 2) == found, "a reading in two files is one reading"
    bare = {key: value for key, value in row.items() if key != "utterance"}
    assert of_row(bare).utterance == "" and "utterance" not in of_row(bare).to_row()
    (tmp_path / "b.jsonl").write_text(json.dumps({**row, "send": "n"}))
    with pytest.raises(UserError, match="x graded the reply of a to '1' twice, and not alike"):
        readings.read([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"understood": 3}, "understood is 3"),
        ({"sense": True}, "sense is True"),
        ({"send": 1}, "send is 1"),
        ({"feeling": None}, "feeling is None"),
        ({"reply": None}, "no text under 'reply'"),
        ({"reader": " "}, "no name under 'reader'"),
    ],
)
def test_a_row_that_is_no_reading_is_named(tmp_path: Path, change: dict, says: str) -> None:
    row = {**_read("a", [True])[0].to_row(), **change}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(UserError, match=rf"a.jsonl:1: {says}"):
        readings.read([tmp_path / "a.jsonl"])


def test_a_file_without_readings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(UserError, match="no readings in it"):
        readings.read([tmp_path / "a.jsonl"])


def test_figures_are_plain_rows() -> None:
    found = figures(_read("a", [True, False]) + _read("b", [True, True]), "b")
    assert json.loads(json.dumps(found)) == found
    assert found["rates"][0]["system"] == "b" and found["differences"][0]["a"] == "a" and found["readers"] == ["r"]
