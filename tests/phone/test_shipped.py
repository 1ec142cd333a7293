"""An export that is there: its files reply, are read, and are recommended by that."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.cli.export import export as command
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.phone import shipped
from empathic.reading import replies as reading
from empathic.reading.readings import Reading
from empathic.reading.rubric import Grades
from empathic.report import page
from empathic.run import Run, exports
from empathic.student import replies

F16, Q8, Q4 = "dpo-f16.gguf", "dpo-q8_0.gguf", "dpo-q8_0-for-q4_0.gguf"


@pytest.fixture(scope="module")
def replied(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the exported run whose files replied to three messages."""
    run = tmp_path_factory.mktemp("replied") / "run"
    shutil.copytree(exported, run)
    command(run, replies=3)
    return run


@pytest.fixture
def copied(replied: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    shutil.copytree(replied, tmp_path / "run")
    return tmp_path / "run"


def test_every_file_replies_to_the_first_messages_as_systems_do(replied: Path, exported: Path) -> None:
    run = Run.open(replied)
    found = run.export()
    assert found and [row.replies for row in found.rows] == [3, 3, 3, 3]
    first = [d.id for d in run.dialogues("test")[:3]]
    of_run = next(files.read_jsonl(run.replies("dpo")))
    for row in found.rows:
        rows = list(files.read_jsonl(exports.replies(replied / "export", str(row.file))))
        assert [one["id"] for one in rows] == first and rows[0].keys() == of_run.keys()
        assert all(one["reply"] for one in rows)
        made = (replied / "export" / str(row.file), exported / "export" / str(row.file))
        assert files.sha256(made[0]) == files.sha256(made[1]), "nothing was exported anew"


def test_a_files_replies_depend_on_it_alone(replied: Path, tmp_path: Path) -> None:
    run = Run.open(replied)
    gguf = replied / "export" / Q4
    with closing(Ledger(tmp_path / "other.sqlite")) as ledger, open_endpoint(f"local:{gguf}") as endpoint:
        tests = run.dialogues("test")[:3]
        replies.write(
            tmp_path / "other.jsonl",
            endpoint,
            "the file",
            tests[::-1],
            run.student.model_copy(update={"temperature": 0.0}),
            ledger,
            "export",
            lambda: None,
        )
    again = list(files.read_jsonl(tmp_path / "other.jsonl"))[::-1]
    assert again == list(files.read_jsonl(exports.replies(replied / "export", Q4)))


def test_an_export_that_lies_elsewhere_is_found_again(copied: Path) -> None:
    elsewhere = copied.parent / "elsewhere"
    (copied / "export").rename(elsewhere)
    found = exports.read(copied)
    shipped.keep(Run.open(copied), elsewhere, found.model_copy(update={"folder": "../elsewhere"}))
    before = files.sha256(elsewhere / Q4)
    command(copied, replies=4)
    assert not (copied / "export").exists() and files.sha256(elsewhere / Q4) == before
    assert len(list(files.read_jsonl(exports.replies(elsewhere, Q4)))) == 4


def test_an_export_of_another_student_elsewhere_is_left_alone(copied: Path) -> None:
    other = exports.read(copied).model_copy(update={"system": "sft", "folder": "../elsewhere"})
    files.write_json(copied / exports.FILE, other.model_dump(mode="json"))
    command(copied, replies=4)
    assert not (copied.parent / "elsewhere").exists()
    assert len(list(files.read_jsonl(exports.replies(copied / "export", Q4)))) == 4


def test_a_run_and_its_export_are_read_together_once(copied: Path) -> None:
    alone = reading.gather([str(copied / "export")])
    both = reading.gather([str(copied), str(copied / "export")], ["dpo", Q4])
    assert sorted(one.id for one in both if one.system == Q4) == sorted(one.id for one in alone if one.system == Q4)
    assert {one.system for one in both} == {"dpo", *(one.system for one in alone)}


class _Stopped(Exception):
    """Somebody stopped it."""


class _Stopping:
    """A display that is stopped at the second reply of a file."""

    def begin(self, stage: str) -> None: ...

    def step(self, done: int, total: int) -> None:
        if done == 2:
            raise _Stopped

    def end(self, stage: str, about: str, seconds: float, kept: bool) -> None: ...

    def note(self, text: str) -> None: ...


def test_what_was_stopped_goes_on_from_there(copied: Path) -> None:
    before = {path.name: path.read_bytes() for path in (copied / "export" / "replies").iterdir()}
    exports.replies(copied / "export", Q4).unlink()
    run = Run.open(copied)
    run.ledger_file.unlink()
    found = run.export()
    assert found
    with pytest.raises(_Stopped):
        shipped.reply(run, copied / "export", found, 3, _Stopping())
    assert not exports.replies(copied / "export", Q4).exists()
    assert _answers(run) == 2
    command(copied, replies=2)
    asked = _answers(run)
    command(copied, replies=2)
    assert _answers(run) == asked, "the answers of before are not asked for again"
    command(copied, replies=3)
    assert {path.name: path.read_bytes() for path in (copied / "export" / "replies").iterdir()} == before


def _answers(run: Run) -> int:
    with run.ledger() as ledger:
        return sum(row["answers"] for row in ledger.bill() if row["purpose"] == "export")


def _readings(run: Path, sent: set[str]) -> list[Reading]:
    """Every reply of the files read; those that one of some files gives are to be sent."""
    told = reading.gather([str(run / "export")])
    good = {(one.id, one.reply) for one in told if one.system in sent}
    grades = {True: Grades(2, 2, 2, True), False: Grades(0, 0, 1, False)}
    return [
        Reading(one.system, one.id, one.utterance, one.reply, grades[(one.id, one.reply) in good], "Ada")
        for one in told
    ]


def test_readings_rank_the_files_in_every_place_that_names_one(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = Run.open(copied), copied / "export"
    found = run.export()
    assert found
    for row in found.rows:
        row.holds = True  # so that the smallest ships until somebody read it
    shipped.rank(run, folder, found, {})
    assert found.recommended and "q4_0" in found.recommended
    assert f"FROM ./{found.recommended}\n" in (folder / "Modelfile").read_text(encoding="utf-8")
    path = tmp_path / "readings.jsonl"
    files.write_jsonl(path, (one.to_row() for one in _readings(copied, {F16, Q8})))
    capsys.readouterr()
    command(copied, readings=[path])
    printed = " ".join(capsys.readouterr().out.split())
    assert "* q8_0 3 100% (44 to 100) +0" in printed and "fewer than f16's by more than 3 points" in printed
    found = run.export()
    assert found and found.recommended == Q8 and found == exports.read(folder)
    gaps = {row.file: row.sendable.over_f16 for row in found.rows if row.sendable}
    same, worse = gaps[Q8], gaps[Q4]
    assert same and same.estimate == 0 and worse and worse.estimate < -0.03
    assert (folder / "Modelfile").read_text(encoding="utf-8").startswith(f"FROM ./{Q8}\n")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"`{Q8}` is recommended" in card and "100% (44 to 100), n = 3" in card
    html = page.write_page(run).read_text(encoding="utf-8")
    assert '<th class="n">sendable</th>' in html and "100% (44 to 100)" in html


def test_readings_without_an_export_or_of_other_replies_are_one_line(copied: Path, tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    files.write_jsonl(path, [_readings(copied, set())[0].to_row() | {"reply": "another"}])
    with pytest.raises(UserError, match="none of 1 readings is of a reply"):
        command(copied, readings=[path])
    shutil.rmtree(copied / "export" / "replies")
    with pytest.raises(UserError, match="replied to nothing yet"):
        command(copied, readings=[path])
    (copied / "student" / "dpo" / "more.txt").write_text("trained anew", encoding="utf-8")
    with pytest.raises(UserError, match="no export of the student as it is now"):
        command(copied, readings=[path])


@pytest.mark.parametrize(
    "asked",
    [{"system": "sft"}, {"system": None, "quants": ["q6_k"]}],
    ids=["another system", "another quant"],
)
def test_what_is_asked_for_and_not_there_is_made(replied: Path, asked: dict[str, Any]) -> None:
    assert shipped.find(Run.open(replied), replied / "export", None, ["q8_0"], whole=True)
    assert shipped.find(Run.open(replied), replied / "export", **asked) is None
