from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from exported import EXPORT

from empathic import files
from empathic.errors import UserError
from empathic.report import page, summary
from empathic.run import Run
from empathic.vote.ballot_pairs import pairs
from empathic.vote.ballots import Ballots


def _page(run: Path) -> str:
    opened = Run.open(run)
    summary.write_summary(opened)
    return page.write_page(opened).read_text(encoding="utf-8")


def _said_first(html: str) -> str:
    found = re.search(r'<p class="lead">(.*?)</p>', html, re.DOTALL)
    assert found
    return " ".join(re.sub("<[^>]+>", "", found[1]).split())


def test_the_page_holds_the_figures_and_needs_no_network(run: Path) -> None:
    html = _page(run)
    assert "<strong>100%</strong>" in html
    assert "86% to 100%" in html
    assert not re.search(r"""(src|href)\s*=|url\(|@import|https?://""", html)
    assert html.count("<article") == 24
    assert html.count("<svg") == 5
    assert "dpo wins +0 points more often than sft on the same 24 dialogues" in html
    assert "3 dialogues got no usable reply" in html
    assert "2 replies by <code>words</code>" in html
    assert "affective in 40, cognitive in 32" in html
    assert "left out 3 rows for <code>life</code>, 1 row for <code>crisis</code>" in html
    assert re.search(r"<td>after (SFT|DPO)</td><td class=\"n\"><strong>\d+%</strong> \(\d+ to \d+\)</td>", html)
    assert "on the 24 test dialogues that all of these answered" in html
    assert re.search(r"has one of the five[^<]*</td>(<td class=\"n\">\d+%</td>){5}</tr>", html)
    assert "alpha" not in html, "one judge has nobody to agree with"


def test_files_that_ship_are_shown_with_those_refused_and_only_of_this_student(run: Path) -> None:
    assert "Which file ships?" not in _page(run)
    files.write_json(run / "export.json", EXPORT)
    text = " ".join(re.sub("<[^>]+>", " ", _page(run)).split())
    assert "dpo-q8_0.gguf 145 8.50 0% 0.0030 0.020 97.7% 20.10 recommended" in text
    assert "q4_0 91 8.50 0% 0.0030 0.020 97.7% 20.10 below its bar, refused" in text
    files.write_json(run / "export.json", {**EXPORT, "adapter": "of a training before"})
    assert "Which file ships?" not in _page(run)


def test_the_first_sentence_is_of_the_panel_not_of_its_first_judge(make) -> None:
    run = make(judges={"unmoved": 0.0, "fond": 1.0})
    html = _page(run)
    rates = {row["measure"]: row for row in files.read_json(run / "summary.json")["win_rates"] if row["a"] == "dpo"}
    assert [(judge, rates[judge]["estimate"]) for judge in list(rates)[:3]] == [
        ("unmoved", 0.5),
        ("fond", 1.0),
        ("behaviours", 1.0),
    ]
    assert "beat the untuned one by behaviours: it was preferred in 100%" in _said_first(html)
    assert re.search(r"Krippendorff's alpha -?\d\.\d\d", html)


def test_without_a_ranking_judges_still_agree_or_not(run: Path) -> None:
    manifest = files.read_json(run / "manifest.json")
    said = manifest["stages"]["judge"]["facts"]
    kappa = {"judge_a": "fond", "judge_b": "stern", "kappa": 0.41, "low": 0.2, "high": 0.6, "n": 24}
    said |= {"ranking": [], "who_beats_whom": [], "alpha": 0.5, "judge_kappas": [kappa]}
    files.write_json(run / "manifest.json", manifest)
    html = _page(run)
    assert "Who beats whom?" not in html
    assert "alpha 0.50" in html
    assert '<td>stern</td><td class="n"><strong>0.41</strong></td><td class="n">0.20 to 0.60</td>' in html


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.51, 0.9, "beat the"), (0.1, 0.49, "lost to the"), (0.5, 0.9, "could not be told from the")],
)
def test_an_interval_that_holds_one_half_claims_nothing(run: Path, low: float, high: float, verdict: str) -> None:
    manifest = files.read_json(run / "manifest.json")
    manifest["stages"]["judge"]["facts"]["win_rates"][0] |= {"low": low, "high": high}
    files.write_json(run / "manifest.json", manifest)
    assert f"the trained student {verdict} untuned one" in _said_first(_page(run))


def test_the_page_says_how_many_parts_differ_by_chance_alone(run: Path) -> None:
    figures = summary.write_summary(Run.open(run))
    parts = figures.by_emotion + figures.by_length
    apart = sum(not part.low <= 0.5 <= part.high for part in parts)
    said = f"Of these {len(parts)} intervals {apart} lie wholly on one side of 50%; about {len(parts) / 20:.1f} would"
    assert said in _page(run)


def test_rates_beyond_the_lengths_seen_are_no_figures(run: Path) -> None:
    manifest = files.read_json(run / "manifest.json")
    level = manifest["stages"]["judge"]["facts"]["length_controlled"]
    for row in level:
        row |= {"estimate": 0.5, "low": 0.4, "high": 0.6, "extrapolated": False}
    level[0] |= {"estimate": 0.123, "extrapolated": True}
    level[1] |= {"estimate": None, "low": None, "high": None, "extrapolated": True}
    files.write_json(run / "manifest.json", manifest)
    html = _page(run)
    assert html.count('<td class="n">50% (40% to 60%)</td>') == 4
    assert html.count('<td class="n"><span class="beyond">beyond the lengths seen</span></td>') == 2
    assert "12% (" not in html


@pytest.mark.parametrize(("n", "most"), [(3, 500), (500, 500), (501, 500), (750, 500), (999, 500), (5000, 500)])
def test_dialogues_are_spread_over_all_to_the_last(n: int, most: int) -> None:
    shown = page.spread(range(n), most)
    assert len(shown) == min(n, most) == len(set(shown))
    assert (shown[0], shown[-1]) == (0, n - 1)
    gaps = [b - a for a, b in itertools.pairwise(shown)]
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.slow
def test_a_page_of_many_long_dialogues_is_small_and_says_what_it_leaves_out(make) -> None:
    html = _page(make(n=750, said="I keep the letters that my brother sent from the harbour. " * 20))
    assert html.count("<article") == page.SHOWN
    assert "500 of 750 dialogues shown" in html
    assert "base d749" in html
    assert len(html.encode()) < 5e6


def test_text_from_dialogues_cannot_break_the_page(run: Path) -> None:
    html = _page(run)
    assert "<script>document" not in html
    assert "&lt;script&gt;document" in html
    assert "شكرا" in html and "🙂" in html


def test_a_judge_that_failed_a_control_is_marked_beside_its_win_rates(run: Path) -> None:
    assert summary.write_summary(Run.open(run)).failed_controls()["behaviours"] == ["stock"]
    html = _page(run)
    assert "<td>behaviours *</td>" in html
    warned = re.findall(r'<p class="warn"><strong>(.*?)</strong> (.*?):', html)
    assert warned == [("behaviours, specificity, agreed by both", "failed a control")], (
        "those that failed alike are told of once"
    )
    assert "a stock phrase that fits anywhere" in html


def test_a_judge_of_the_teachers_family_is_warned_of(run: Path) -> None:
    assert "Mind that" not in _page(run)
    (run / "recipe.yaml").write_text("name: kin\nmethod: {teachers: [qwen]}\n", encoding="utf-8")
    assert "Mind that the judge qwen and the teacher qwen are both Qwen models" in _page(run)


def test_what_people_say_stands_beside_what_judges_say(run: Path) -> None:
    ballots = Ballots(run / "votes.sqlite", "dpo", "base", Run.open(run).systems)
    for i, pair in enumerate(pairs(Run.open(run), "dpo", "base", seed=0)[:20]):
        ballots.cast("Ada", pair, "a" if i < 15 else "b", "a")
    ballots.close()
    html = _page(run)
    assert "1 person gave 20 votes on 20 dialogues" in html
    assert "dpo beat base in <strong>75%</strong>" in html
    assert re.search(r"<td>agreed by both</td><td class=\"n\">\d+%</td><td class=\"n\"><strong>-?\d\.\d\d", html)


def test_a_run_of_another_format_is_refused_with_who_made_it(run: Path) -> None:
    manifest = files.read_json(run / "manifest.json")
    del manifest["version"]
    files.write_json(run / "manifest.json", manifest)
    with pytest.raises(
        UserError, match=r"empathic 0 made this run, in format 1; .* reads format 2 alone: do the run over"
    ):
        Run.open(run)
    files.write_json(run / "manifest.json", {**manifest, "version": 2, "stages": {"sft": {"status": "lost"}}})
    with pytest.raises(UserError, match=r"manifest\.json: stages\.sft\.status: .*do the run over"):
        Run.open(run)


def test_a_run_that_is_not_far_enough_says_what_is_missing(run: Path) -> None:
    manifest = files.read_json(run / "manifest.json")
    manifest["stages"]["judge"]["status"] = "running"
    files.write_json(run / "manifest.json", manifest)
    with pytest.raises(UserError, match="'judge' isn't done"):
        summary.summarise(Run.open(run))
