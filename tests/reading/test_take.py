from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from reading_data import N, answer, key, make_run

from empathic import files
from empathic.errors import UserError
from empathic.reading import kept, replies, sheets
from empathic.reading.take import take, unread


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path)


@pytest.fixture
def out(run: Path, tmp_path: Path) -> Path:
    """Two sheets of the run's replies, and one for a second reader."""
    sheets.write(sheets.deal(replies.gather([str(run)]), 20, 0.25, 0), tmp_path / "out", run)
    return tmp_path / "out"


def _take(out: Path, *paths: Path, reader: str = "Ada", kind: str = "person", force: bool = False) -> tuple[list, list]:
    said: list[str] = []
    return take(out, paths, reader, kind, force, said.append), said


def _first(out: Path) -> list[Path]:
    return [answer(out, "sheet-01"), answer(out, "sheet-02")]


def test_answers_become_readings_of_the_right_replies(out: Path, run: Path) -> None:
    found, said = _take(out, *_first(out))
    assert not said and len(found) == 2 * N
    assert {one.system for one in found if one.grades.send} == {"dpo"}
    row = next(files.read_jsonl(out / "readings.jsonl"))
    assert (
        row["reader"] == "Ada" and row["kind"] == "person" and row["rubric"] == "1" and row["when"].endswith("+00:00")
    )
    assert [sheet.name for sheet in unread(out, found)] == ["second-01"]
    rates = {row["system"]: row for row in files.read_json(run / "readings.json")["rates"]}
    assert rates["dpo"]["estimate"] == 1 and rates["base"]["estimate"] == 0 and rates["base"]["n"] == N


def test_a_second_reader_counts_for_agreement_alone(out: Path, run: Path) -> None:
    _take(out, answer(out, "second-01", strict=True), reader="a model", kind="model")  # handed in first
    _take(out, *_first(out))
    figures = kept.current(run)
    assert figures and figures["stale"] == 0 and figures["readers"] == ["Ada", "a model"]
    dpo = next(row for row in figures["rates"] if row["system"] == "dpo")
    assert dpo["estimate"] == 1 and 0 < dpo["twice"] < N
    assert next(row for row in figures["agreement"] if row["grade"] == "send")["n"] == 10


def test_replies_that_changed_since_are_stale_in_the_report(out: Path, run: Path) -> None:
    _take(out, *_first(out))
    rows = list(files.read_jsonl(run / "replies" / "dpo.jsonl"))
    files.write_jsonl(run / "replies" / "dpo.jsonl", [*rows[:3], *({**row, "reply": "new"} for row in rows[3:])])
    figures = kept.current(run)
    assert figures and figures["stale"] == N - 3
    assert {row["system"]: row["n"] for row in figures["rates"]} == {"base": N, "dpo": 3}


def test_the_same_answers_twice_are_taken_once_and_others_only_with_force(out: Path) -> None:
    first = answer(out, "sheet-01")
    before, _ = _take(out, first)
    assert _take(out, first)[0] == before
    first.write_text(first.read_text().replace("0 1 1 n", "1 1 1 n"), encoding="utf-8")
    kept_bytes = (out / "readings.jsonl").read_bytes()
    with pytest.raises(UserError, match="graded this sheet otherwise before"):
        _take(out, first)
    assert (out / "readings.jsonl").read_bytes() == kept_bytes
    assert {one.grades.understood for one in _take(out, first, force=True)[0]} == {1, 2}


def test_a_reply_of_two_systems_is_read_once_and_counts_for_both(out: Path, run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "replies" / "dpo.jsonl", run / "replies" / "twin.jsonl")
    both = tmp_path / "both"
    sheets.write(sheets.deal(replies.gather([str(run)]), 40, 0.25, 0), both, run)
    _take(both, answer(both, "sheet-01"))
    _take(both, answer(both, "second-01", strict=True), reader="Grace")
    figures = kept.current(run)
    assert figures
    rates = {row["system"]: row for row in figures["rates"]}
    assert rates["dpo"] == rates["twin"] | {"system": "dpo"} and rates["dpo"]["n"] == N
    assert next(row for row in figures["agreement"] if row["grade"] == "send")["n"] == 10, (
        "each of a quarter of 40 once"
    )


def test_one_reader_cant_be_the_second(out: Path) -> None:
    with pytest.raises(UserError, match="want another reader"):
        _take(out, *_first(out), answer(out, "second-01"))
    assert not (out / "readings.jsonl").exists()


def test_a_reader_who_grades_everything_alike_is_taken_and_told_of(out: Path) -> None:
    path = answer(out, "sheet-01")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(f"{i}, 2, 2, 2, Y" for i in range(1, len(lines)))]), encoding="utf-8")
    found, said = _take(out, path)
    assert len(found) == N and len(said) == 1 and "alike" in said[0]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("\n7 ", "\n# 7 ", r"no grades for 1 of 20 numbers of sheet-01 \(7\)"),
        ("\n7 ", "\n8 ", r"answers-sheet-01.txt:9: number 8 stands twice"),
        ("\n7 ", "\n21 ", r":8: '21' is no number of sheet-01 \(1 to 20\)"),
        ("\n7 ", "\n0 ", r":8: '0' is no number"),
        ("\n7 ", "\n\u0667 ", r":8: .* is no number"),
        ("\n7 ", "\nseven ", r":8: 'seven' is no number"),
        ("\n7 ", "\n7 3", r":8: understood is '3\d'; want 0, 1 or 2"),
        ("\n7 ", "\n7 2 ", r":8: want four grades .* got 5"),
        (" n\n", " maybe\n", r"send is 'maybe'; want y or n"),
        ("answers to sheet-01", "answers to sheet-02", r"its first line says sheet-02, and its name sheet-01"),
        (
            "answers to sheet-01",
            "answers to sheet-09",
            r"there is no such sheet; there is sheet-01, sheet-02, second-01",
        ),
        ("answers to sheet-01 ", "answers to sheet-01 0", r"answers the sheet-01 of other sheets"),
    ],
)
def test_answers_that_arent_in_order_are_one_line_and_nothing_is_taken(
    out: Path, old: str, new: str, says: str
) -> None:
    path, good = answer(out, "sheet-01"), answer(out, "sheet-02")
    path.write_text(path.read_text().replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError, match=says) as raised:
        _take(out, good, path)
    assert "\n" not in str(raised.value)
    assert not (out / "readings.jsonl").exists()


def test_a_template_that_nobody_filled_in_says_how_many_are_missing(out: Path) -> None:
    with pytest.raises(UserError, match=r"no grades for 20 of 20 numbers of sheet-01 \(1, 2, 3, 4, 5, …\)"):
        _take(out, out / "answers-sheet-01.txt")


def test_a_file_of_another_name_without_its_first_line_is_refused_unless_there_is_one_sheet(tmp_path: Path) -> None:
    said = [replies.ToRead("a", str(i), f"m{i}", f"GOOD {i}") for i in range(6)]
    for size, name in ((6, "one"), (3, "two")):
        sheets.write(sheets.deal(said, size, 0, 0), tmp_path / name)
    mine = tmp_path / "mine.txt"
    mine.write_text("".join(f"{i} 2 2 2 y\n" for i in range(1, 7)))
    assert len(_take(tmp_path / "one", mine)[0]) == 6
    with pytest.raises(UserError, match="neither its first line nor its name says"):
        _take(tmp_path / "two", mine)


def test_a_file_in_no_utf8_and_two_files_for_one_sheet_are_refused(out: Path, tmp_path: Path) -> None:
    first = answer(out, "sheet-01")
    copy = tmp_path / "sheet-01.txt"
    shutil.copy(first, copy)
    with pytest.raises(UserError, match="give one of the two"):
        _take(out, first, copy)
    copy.write_bytes(first.read_bytes().replace(b"\n5 ", b"\n5 \xff"))
    with pytest.raises(UserError, match=r"sheet-01.txt:6: not UTF-8"):
        _take(out, copy)
    copy.write_bytes(b"\xef\xbb\xbf" + first.read_bytes().replace(b"\n", b"\r\n"))
    assert len(_take(out, copy)[0]) == N


def test_a_key_that_doesnt_fit_its_sheets_is_refused(out: Path) -> None:
    first = answer(out, "sheet-01")
    sheet = out / "sheet-02.txt"
    sheet.write_text(sheet.read_text().replace("reply", "answer", 1))
    with pytest.raises(UserError, match=r"key.json: doesn't fit sheet-02.txt"):
        _take(out, first)
    sheet.unlink()
    _take(out, first)  # a sheet that went to its reader needn't come back
    given = json.loads((out / "key.json").read_text())
    one, other = given["sheets"][0]["replies"][:2]
    one["reply"], other["reply"] = other["reply"], one["reply"]
    (out / "key.json").write_text(json.dumps(given))
    with pytest.raises(UserError, match=r"key.json: doesn't fit sheet-01.txt"):
        _take(out, first)
    for odd in ("[]", "{}", '{"sheets": [1], "rubric": 1, "run": null}'):
        (out / "key.json").write_text(odd)
        with pytest.raises(UserError, match="not a key"):
            _take(out, first)


def test_a_run_that_is_gone_is_told_of_and_the_readings_are_kept(out: Path, run: Path) -> None:
    shutil.rmtree(run)
    found, said = _take(out, *_first(out))
    assert len(found) == 2 * N and "isn't there any more" in said[0]


def test_readings_of_several_folders_meet_in_the_run(out: Path, run: Path, tmp_path: Path) -> None:
    _take(out, *_first(out))
    sheets.write(sheets.deal(replies.gather([str(run)], ["human"]), 20, 0, 0), tmp_path / "people", run)
    _take(tmp_path / "people", answer(tmp_path / "people", "sheet-01"))
    figures = kept.current(run)
    assert figures and {row["system"] for row in figures["rates"]} == {"base", "dpo", "human"}
    assert len(key(tmp_path / "people")) == 1
