from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from reading_data import N, key, make_run

from empathic import files
from empathic.errors import UserError
from empathic.reading import replies, rubric, sheets
from empathic.reading.key import read as read_key
from empathic.reading.replies import ToRead


def _said(systems: int, messages: int) -> list[ToRead]:
    return [
        ToRead(f"s{s}", f"{s}-{m}", f"message {m}", f"reply {s} {m}") for s in range(systems) for m in range(messages)
    ]


def test_replies_to_one_message_go_to_different_sheets_of_one_size() -> None:
    dealt = [sheet for sheet in sheets.deal(_said(3, 50), 40, 0.15, 0) if not sheet.second]
    assert sorted(len(sheet.replies) for sheet in dealt) == [37, 37, 38, 38]
    for sheet in dealt:
        assert len({one.message for one in sheet.replies}) == len(sheet.replies)
        assert len({one.system for one in sheet.replies}) == 3
    assert {one for sheet in dealt for one in sheet.replies} == set(_said(3, 50))


def test_replies_that_look_alike_stand_on_a_sheet_once_for_all_who_gave_them(tmp_path: Path) -> None:
    said = [ToRead(f"s{s}", f"{m}", f"message {m}", f"reply{' ' * s} {m % 2}") for s in range(3) for m in range(10)]
    dealt = sheets.deal([*said, ToRead("s3", "0", "message 0", "another")], 6, 0.2, 0)
    first = [one for sheet in dealt if not sheet.second for one in sheet.replies]
    assert len(first) == 11 and sum(len(sheet.replies) for sheet in dealt if sheet.second) == 2
    assert sorted(len(one.also) for one in first) == [0] + [2] * 10
    assert {other for one in first for other in (replace(one, also=()), *one.also)} == {
        *said,
        ToRead("s3", "0", "message 0", "another"),
    }
    sheets.write(dealt, tmp_path / "out")
    assert {sheet.name: sheet for sheet in dealt} == read_key(tmp_path / "out").sheets


def test_where_sheets_are_too_few_a_message_meets_one_again_only_after_all_others() -> None:
    dealt = sheets.deal(_said(5, 10), 25, 0, 0)
    for sheet in dealt:
        assert set(Counter(one.message for one in sheet.replies).values()) <= {2, 3}


def test_a_share_goes_to_a_second_reader_on_sheets_of_its_own() -> None:
    second = [one for sheet in sheets.deal(_said(2, 50), 10, 0.15, 0) if sheet.second for one in sheet.replies]
    assert len(second) == len(set(second)) == 15
    assert not any(sheet.second for sheet in sheets.deal(_said(2, 50), 10, 0, 0))


def test_the_seed_decides_and_another_deals_otherwise() -> None:
    said = _said(2, 30)
    assert sheets.deal(said, 20, 0.2, 1) == sheets.deal(said, 20, 0.2, 1) != sheets.deal(said, 20, 0.2, 2)


def test_what_a_reader_gets_names_no_system_and_no_id(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    out = tmp_path / "out"
    sheets.write(sheets.deal(replies.gather([str(run)]), 15, 0.15, 0), out, run)
    shown = "".join(path.read_text(encoding="utf-8") for path in (*out.glob("s*.txt"), out / "RUBRIC.md"))
    assert not re.search(r"dpo|base|\bd\d", shown)
    assert sorted(path.name for path in out.iterdir()) == [
        "RUBRIC.md",
        *(f"answers-{name}.txt" for name in ("second-01", "sheet-01", "sheet-02", "sheet-03")),
        "key.json",
        *(f"{name}.txt" for name in ("second-01", "sheet-01", "sheet-02", "sheet-03")),
    ]
    assert key(out)["sheet-01"]["sha256"] == files.sha256(out / "sheet-01.txt")
    first = (out / "sheet-01.txt").read_text(encoding="utf-8").splitlines()
    assert first[0] == "#1" and first[1].endswith("in two lines.") and first[2].startswith("REPLY: ")


def test_long_replies_are_cut_and_said_to_be_and_no_text_can_pass_for_another_number(tmp_path: Path) -> None:
    said = [ToRead("a", "1", "hm\n\n#2\nMESSAGE: hm", "word " * 300), ToRead("a", "2", "oh", " \n")]
    (sheet,) = sheets.deal(said, 10, 0, 0)
    assert sheet.text.count("\n#") == 1 and sheet.text.count("\nMESSAGE") == 2
    assert "word […]\n" in sheet.text and "REPLY: (nothing)" in sheet.text
    assert max(map(len, sheet.text.splitlines())) < 620


def test_an_existing_folder_is_refused_and_with_force_moved_aside(tmp_path: Path) -> None:
    dealt, out = sheets.deal(_said(2, 5), 10, 0, 0), tmp_path / "out"
    out.mkdir()
    assert sheets.write(dealt, out) is None
    (out / "readings.jsonl").write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        sheets.write(dealt, out)
    assert sheets.write(dealt, out, force=True) == tmp_path / "out.1"
    assert (tmp_path / "out.1" / "readings.jsonl").read_text() == "mine"
    assert not list(tmp_path.glob(".*"))


def test_systems_of_a_run_are_those_with_files_or_the_origins_of_known_replies(tmp_path: Path) -> None:
    run = str(make_run(tmp_path))
    assert Counter(one.system for one in replies.gather([run])) == {"base": N, "dpo": N}
    assert len(replies.gather([run], ["human"])) == N
    assert len(replies.gather([run], ["dpo"], "train")) == 2
    with pytest.raises(UserError, match=r"no replies of 'dop' .*base, dpo, human"):
        replies.gather([run], ["dop"])
    with pytest.raises(UserError, match="no dialogues of the split"):
        replies.gather([run], split="validation")


def test_several_runs_and_files_stand_side_by_side(tmp_path: Path) -> None:
    one, other = str(make_run(tmp_path, "one")), str(make_run(tmp_path, "other"))
    path = f"{one}/replies/dpo.jsonl"
    found = replies.gather([one, other, f"mine={path}", path], ["dpo"])
    assert list(dict.fromkeys(reply.system for reply in found)) == ["one/dpo", "other/dpo", "mine", "dpo"]
    assert replies.gather([path, path]) == replies.gather([path])
    changed = tmp_path / "dpo.jsonl"
    files.write_jsonl(changed, [{**row, "reply": f"{row['reply']} Oh."} for row in files.read_jsonl(Path(path))])
    with pytest.raises(UserError, match="there is a system 'dpo' already"):
        replies.gather([path, str(changed)])
    with pytest.raises(UserError, match="neither a run directory, an export nor a file"):
        replies.gather(["nothing"])


def test_half_a_surrogate_pair_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps({"id": "1", "utterance": "hm", "reply": "\ud83d"}), encoding="utf-8")
    sheets.write(sheets.deal(replies.gather([str(path)]), 10, 0, 0), tmp_path / "out")


def test_the_rubric_names_its_version_and_every_grade() -> None:
    assert rubric.version() == "1"
    assert all(name in rubric.prompt("rubric") for name in rubric.NAMES)
