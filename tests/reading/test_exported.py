"""Exported files as systems: on sheets beside the run's, and what readings of them say of each file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from exported import EXPORT
from reading_data import N, answer, key, make_run

from empathic import files
from empathic.errors import UserError
from empathic.reading import kept, readings, replies, runs, sheets
from empathic.reading.exported import sendable
from empathic.reading.take import take

F16, Q8, Q4 = "dpo-f16.gguf", "dpo-q8_0.gguf", "dpo-q4_0.gguf"


def _export(run: Path, folder: Path, asked: int = N) -> Path:
    """An export of a run: f16 and q8_0 reply alike, q4_0 badly to every second message."""
    quants = {F16: "f16", Q8: "q8_0", Q4: "q4_0"}
    rows = [EXPORT["rows"][0] | {"file": file, "quant": quant} for file, quant in quants.items()]
    for where in (run, folder):
        files.write_json(where / "export.json", EXPORT | {"rows": rows, "folder": os.path.relpath(folder, run)})
    for file in quants:
        said = [f"{'bad' if file == Q4 and i % 2 else 'GOOD'} reply {i}." for i in range(asked)]
        rows = [
            {"id": f"d{i}", "utterance": f"Message {i}\nin two lines.", "reply": text} for i, text in enumerate(said)
        ]
        files.write_jsonl(folder / "replies" / f"{file.removesuffix('.gguf')}.jsonl", rows)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path)


def test_an_exports_files_are_systems_beside_the_runs(run: Path, tmp_path: Path) -> None:
    folder = _export(run, run / "export", 5)
    assert {one.system for one in replies.gather([str(run)])} == {"base", "dpo"}
    found = replies.gather([str(run), str(folder)], ["base"])
    assert list(dict.fromkeys(one.system for one in found)) == ["base", F16, Q8, Q4]
    assert len(found) == N + 15
    assert {one.system for one in replies.gather([str(run)], ["base", Q4])} == {"base", Q4}
    with pytest.raises(UserError, match=f"no replies of 'dpo-q5_0.gguf' .*base, dpo, human, {F16}"):
        replies.gather([str(run)], ["dpo-q5_0.gguf"])
    (folder / "replies").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="replied to nothing yet"):
        replies.gather([str(folder)])


def test_sheets_of_a_run_and_of_its_export_belong_to_the_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _export(run, run / "export")
    monkeypatch.chdir(run.parent)
    assert runs.of_sources([run.name, f"{run.name}/export"]) == run.resolve(), "as one types it"
    assert runs.of_sources([str(run), str(folder)]) == runs.of_sources([str(run)]) == run
    assert runs.of_sources([str(folder)]) == run.resolve()
    other = make_run(tmp_path, "other")
    assert runs.of_sources([str(run), str(other)]) is None
    assert runs.of_sources([str(run), f"mine={run}/replies/dpo.jsonl"]) is None
    assert runs.of_sources([str(_export(other, tmp_path / "apart"))]) is None


@pytest.mark.parametrize("place", ["run/export", "apart"])
def test_readings_count_for_every_file_that_gives_the_reply(run: Path, tmp_path: Path, place: str) -> None:
    folder, out = _export(run, tmp_path / place), tmp_path / "out"
    told = replies.gather([str(run), str(folder)], ["base"])
    sheets.write(sheets.deal(told, 200, 0, 0), out, run)
    assert len(key(out)["sheet-01"]["replies"]) == 2 * N, "40 of 80 are another's too"
    found = take(out, [answer(out, "sheet-01")], "Ada", "person")
    figures = kept.current(run)
    assert figures and figures["stale"] == 0
    assert {row["system"]: row["estimate"] for row in figures["rates"]} == {"base": 0, F16: 1, Q8: 1, Q4: 0.5}
    sent = sendable(folder, readings.read([out / "readings.jsonl"]))
    assert {file: (row.estimate, row.n) for file, row in sent.items()} == {F16: (1, N), Q8: (1, N), Q4: (0.5, N)}
    assert sent[F16].over_f16 is None
    same, worse = sent[Q8].over_f16, sent[Q4].over_f16
    assert same and same.estimate == 0 and same.low < 0 < same.high and same.n == N
    assert worse and worse.estimate == -0.5 and worse.low < -0.5 < worse.high < 0
    assert sent[Q8].low == pytest.approx(0.839, abs=0.001), "Wilson's, for 20 of 20"
    alone = [one for one in found if one.system == "base"]
    assert sendable(folder, alone)[Q4].n == N // 2, "base gives half of its replies, and f16 none"
    assert sendable(folder, alone)[Q4].over_f16 is None


def test_readings_of_other_replies_or_other_messages_count_nowhere(run: Path, tmp_path: Path) -> None:
    folder, out = _export(run, tmp_path / "apart"), tmp_path / "out"
    sheets.write(sheets.deal(replies.gather([str(folder)]), 200, 0, 0), out)
    take(out, [answer(out, "sheet-01")], "Ada", "person")
    rows = list(files.read_jsonl(out / "readings.jsonl"))
    for change in ({"reply": "another"}, {"utterance": "another"}):
        changed = readings.rows(out, [row | change for row in rows])
        with pytest.raises(UserError, match="none of 60 readings"):
            sendable(folder, list(changed))
    files.write_jsonl(out / "bare.jsonl", [{**row, "utterance": ""} for row in rows])
    assert len(sendable(folder, readings.read([out / "bare.jsonl"]))) == 3
