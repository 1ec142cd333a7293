from __future__ import annotations

import re
from pathlib import Path

from empathic import files
from empathic.reading import kept, replies
from empathic.reading.readings import Reading
from empathic.reading.rubric import Grades
from empathic.report import page, summary, tables
from empathic.run import Run


def _read(run: Path) -> list[Reading]:
    """Two readers of all that the students reply: dpo's is to be sent, but for one reply that the second spares."""
    found = []
    for reader in ("Ada", "<Grace>"):
        for i, one in enumerate(replies.gather([str(run)])):
            send = one.system == "dpo" and not (reader != "Ada" and i % 24 == 0)
            grades = Grades(2, 1, 2, True) if send else Grades(0, 0, 1, False)
            found.append(Reading(one.system, one.id, one.utterance, one.reply, grades, reader, second=reader != "Ada"))
    return found


def _page(folder: Path) -> str:
    """The page of a run, its summary written anew."""
    run = Run.open(folder)
    summary.write_summary(run)
    return page.write_page(run).read_text(encoding="utf-8")


def test_readings_stand_on_the_page_in_the_summary_and_in_tables(run: Path) -> None:
    before = _page(run)
    assert "Would one send these replies?" not in before
    kept.add(run, _read(run))
    html = _page(run)
    assert "&lt;Grace&gt;, Ada read replies" in html
    assert re.search(
        r"<td>after DPO</td><td class=\"n\">24</td><td class=\"n\"><strong>100%</strong> \(86 to 100\)", html
    )
    assert '<td class="n">96% of 24</td>' in html
    rates = {row["system"]: row for row in files.read_json(run / "summary.json")["readings"]["rates"]}
    assert rates["dpo"]["estimate"] == 1 and rates["base"]["estimate"] == 0
    folder = tables.write_tables(Run.open(run))
    assert (folder / "readings.csv").exists() and (folder / "readings_agreement.tex").exists()


def test_readings_of_replies_that_changed_count_nowhere_and_are_told_of(run: Path) -> None:
    kept.add(run, _read(run))
    rows = [{**row, "reply": "another"} for row in files.read_jsonl(run / "replies" / "dpo.jsonl")]
    files.write_jsonl(run / "replies" / "dpo.jsonl", rows)
    html = _page(run)
    assert "48 readings are of replies that have changed since" in html
    assert {row["system"] for row in files.read_json(run / "summary.json")["readings"]["rates"]} == {"base", "sft"}
