from __future__ import annotations

import itertools
import re
from pathlib import Path

import pandas
import pytest

from empathic import files
from empathic.errors import UserError
from empathic.judge import controls, pairs, verdicts
from empathic.judge.behaviours import questions
from empathic.judge.ranking import ranking
from empathic.judge.winrate import rounded
from empathic.report import page, summary, tables
from empathic.vote import pairs as voted
from empathic.vote.ballots import Ballots

NASTY = "<script>document.title='broken'</script> & \"quotes\" 🙂 شكرا"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory as the stages leave it, judged by the real code, with text that could break a page."""
    ids = [f"d{i}" for i in range(24)]
    scores = verdicts.Scores()
    for system, lift in (("base", 0.0), ("sft", 0.5), ("dpo", 1.0), ("control:own", 1.0), ("stock", 1.5)):
        scores.odds.setdefault("tiny", {})[system] = {
            id: dict.fromkeys(questions().texts, lift + i % 3) for i, id in enumerate(ids)
        }
        scores.words[system] = {id: 20 + int(10 * lift) + i % 4 for i, id in enumerate(ids)}
        scores.nats[system] = {id: lift + (i % 5) for i, id in enumerate(ids)}
    rates, level = [], []
    for a, b in (("dpo", "base"), ("sft", "base")):
        rows, found = verdicts.compare(a, b, scores)
        files.write_jsonl(tmp_path / "verdicts" / f"{a}-{b}.jsonl", rows)
        rates += [rate.to_row() for rate in found]
        level += [rate.to_row() for rate in pairs.at_equal_lengths(a, b, scores)]
    tried = {
        by: {name: {"rate": r.estimate, "n": r.n, "passes": controls.passes(r)} for name, r in found.items()}
        for by, found in verdicts.control_rates(scores).items()
    }
    for system in ("base", "sft", "dpo"):
        rows = [
            {"id": id, "emotion": "sad", "situation": "", "utterance": NASTY, "reply": f"{system} {id} {NASTY}"}
            for id in ids
        ]
        files.write_jsonl(tmp_path / "replies" / f"{system}.jsonl", rows)
    known = {"human": {"text": NASTY}}
    files.write_jsonl(
        tmp_path / "dialogues.jsonl",
        ({"id": id, "situation": "", "utterance": NASTY, "replies": known, "split": "test"} for id in ids),
    )
    step = {"loss": 0.6, "rewards/margins": 0.1, "rewards/accuracies": 1.0}
    for name in ("sft", "dpo"):
        files.write_json(tmp_path / "student" / f"{name}.json", {"history": [step, {**step, "loss": 0.4}]})
    (tmp_path / "recipe.yaml").write_text("name: nasty\n", encoding="utf-8")
    trained = {"seconds": 1.0, "examples_per_second": 2.0, "first_loss": 0.6, "last_loss": 0.4}
    facts = {
        "dialogues": {"train": 72, "test": 24, "leaks_dropped": 0},
        "teacher": {
            "replies": 72,
            "aside": 3,
            "removed": {"words": 2},
            "dimensions": {"affective": 40, "cognitive": 32},
        },
        "corpus": {"sft": 72, "preferences": 72, "by_teacher": {"kind": {}}},
        "sft": trained,
        "dpo": {**trained, "reward_accuracy": 0.9},
        "judge": {
            "judge": "tiny",
            "win_rates": rates,
            "length_controlled": level,
            "differences": pairs.differences("dpo", "sft", "base", scores),
            "controls": tried,
            "ranking": [rounded(one) for one in ranking(scores, ("base", "sft", "dpo"))],
            "who_beats_whom": [
                rate.to_row()
                for a, b in itertools.permutations(("base", "sft", "dpo"), 2)
                for rate in verdicts.compare(a, b, scores)[1]
                if rate.judge == "agreed"
            ],
            "alpha": 0.5,
        },
    }
    stages = {name: {"status": "done", "seconds": 1.5, "facts": fact} for name, fact in facts.items()}
    about = {"name": "nasty", "empathic": "0", "git": None, "python": "3", "machine": "m", "versions": {"torch": "2"}}
    files.write_json(tmp_path / "manifest.json", {**about, "stages": stages})
    (tmp_path / "phone").mkdir()
    return tmp_path


def test_the_page_holds_the_figures_and_needs_no_network(run: Path) -> None:
    summary.write(run)
    html = page.write(run).read_text(encoding="utf-8")
    assert "<strong>100%</strong>" in html
    assert "86% to 100%" in html
    assert not re.search(r"""(src|href)\s*=|url\(|@import|https?://""", html)
    assert html.count("<article") == 24
    assert html.count("<svg") == 5
    assert "dpo wins +0 points more often than sft on the same 24 dialogues" in html
    assert "3 dialogues got no usable reply" in html
    assert "2 replies by <code>words</code>" in html
    assert "affective in 40, cognitive in 32" in html
    assert re.search(r"<td>after (SFT|DPO)</td><td class=\"n\"><strong>\d+%</strong> \(\d+% to \d+%\)</td>", html)
    assert "alpha 0.50" in html
    assert "on the 24 test dialogues that all of these answered" in html
    assert re.search(r"has one of the five[^<]*</td>(<td class=\"n\">\d+%</td>){4}</tr>", html)


def test_text_from_dialogues_cannot_break_the_page(run: Path) -> None:
    summary.write(run)
    html = page.write(run).read_text(encoding="utf-8")
    assert "<script>document" not in html
    assert "&lt;script&gt;document" in html
    assert "شكرا" in html and "🙂" in html


def test_a_judge_that_failed_a_control_is_marked_beside_its_win_rates(run: Path) -> None:
    figures = files.read_json(summary.write(run))
    assert summary.failed_controls(figures)["behaviours"] == ["stock"]
    html = page.write(run).read_text(encoding="utf-8")
    assert "<td>behaviours *</td>" in html
    assert "a stock phrase that fits anywhere" in html


def test_a_judge_of_the_teachers_family_is_warned_of(run: Path) -> None:
    assert "Mind that" not in page.write(summary.write(run).parent).read_text(encoding="utf-8")
    (run / "recipe.yaml").write_text("name: kin\nmethod: {teachers: [qwen]}\n", encoding="utf-8")
    html = page.write(summary.write(run).parent).read_text(encoding="utf-8")
    assert "Mind that the judge qwen and the teacher qwen are both Qwen models" in html


def test_what_people_say_stands_beside_what_judges_say(run: Path) -> None:
    ballots = Ballots(run / "votes.sqlite", "dpo", "base")
    for i, pair in enumerate(voted.pairs(run, "dpo", "base", seed=0)[:20]):
        ballots.cast("Ada", pair, "a" if i < 15 else "b", "a")
    ballots.close()
    html = page.write(summary.write(run).parent).read_text(encoding="utf-8")
    assert "1 person gave 20 votes on 20 dialogues" in html
    assert "dpo beat base in <strong>75%</strong>" in html
    assert re.search(r"<td>agreed by both</td><td class=\"n\">\d+%</td><td class=\"n\"><strong>-?\d\.\d\d", html)


def test_a_run_that_is_not_far_enough_says_what_is_missing(run: Path) -> None:
    manifest = files.read_json(run / "manifest.json")
    manifest["stages"]["judge"]["status"] = "running"
    files.write_json(run / "manifest.json", manifest)
    with pytest.raises(UserError, match="'judge' isn't done"):
        summary.summarise(run)


def test_the_page_works_in_a_browser(chromium, run: Path) -> None:
    summary.write(run)
    shown = chromium.new_page()
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    where = page.write(run).as_uri()
    shown.goto(where)
    assert shown.title() == "nasty · empathic"
    assert asked == [where], "the page needs no network"

    assert shown.locator(".count").inner_text() == "20 of 24"
    shown.get_by_role("button", name="show more").click()
    assert shown.locator("article:visible").count() == 24
    shown.get_by_role("searchbox").fill("DPO d7 ")
    assert shown.locator("article:visible").count() == 1
    assert shown.locator(".count").inner_text() == "1 of 1"
    shown.get_by_role("searchbox").fill("nobody says this")
    assert shown.locator("article:visible").count() == 0
    shown.get_by_role("searchbox").fill("")
    shown.get_by_role("button", name="won", exact=True).click()
    assert shown.locator("article:visible").count() == min(20, shown.locator("article[data-outcome~=won]").count())

    table = shown.locator("table.sortable").first
    head = table.get_by_role("button", name="win rate")
    for _, arrow, order in zip(range(2), ("descending", "ascending"), (True, False), strict=True):
        head.press("Enter")
        assert table.locator("th[aria-sort]").get_attribute("aria-sort") == arrow
        rates = [float(text.rstrip("%")) for text in table.locator("tbody td:nth-child(3)").all_inner_texts()]
        assert len(rates) == 6 and rates == sorted(rates, reverse=order)


def test_every_table_is_there_as_csv_and_latex(run: Path) -> None:
    folder = tables.write(summary.write(run).parent)
    figures = files.read_json(run / "summary.json")
    names = {path.stem for path in folder.glob("*.csv")}
    assert names == {path.stem for path in folder.glob("*.tex")} == {name for name, _ in tables.tables(figures)}
    assert names >= {"win_rates", "differences", "ranking", "who_beats_whom", "by_length", "controls", "hollowness"}
    rows = pandas.read_csv(folder / "win_rates.csv").to_dict("records")
    assert [row["estimate"] for row in rows] == [row["estimate"] for row in figures["win_rates"]]
    assert rows[0]["at_equal_lengths_low"] == figures["length_controlled"][0]["low"]
    text = (folder / "win_rates.tex").read_text(encoding="utf-8")
    assert text.startswith("\\begin{tabular}") and "at\\_equal\\_lengths\\_low" in text
