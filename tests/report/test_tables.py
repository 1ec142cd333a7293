from __future__ import annotations

import re
from pathlib import Path

import pandas
from exported import EXPORT

from empathic import files
from empathic.endpoints.ledger import Ledger
from empathic.report import page, summary, tables
from empathic.run import Run
from empathic.vote.ballot_pairs import pairs
from empathic.vote.ballots import Ballots


def _tables(run: Path) -> Path:
    opened = Run.open(run)
    summary.write_summary(opened)
    return tables.write_tables(opened)


def test_every_table_of_the_page_is_there_as_csv_and_latex(make) -> None:
    run = make(judges={"fond": 1.0, "unmoved": 0.0})
    _all_that_a_page_can_show(run)
    folder = _tables(run)
    names = {path.stem for path in folder.glob("*.csv")}
    assert names == {path.stem for path in folder.glob("*.tex")}
    html = page.write_page(Run.open(run)).read_text(encoding="utf-8")
    captions = re.findall(r'<caption data-file="(\w+)">', html)
    assert len(captions) == html.count("<table") == html.count("<caption")
    assert len(set(captions)) == len(captions) and set(captions) <= names
    beside = {"differences", "ranking", "alpha", "people_win_rates", "left_out", "training"}  # said in words, or drawn
    assert names == set(captions) | beside


def _all_that_a_page_can_show(run: Path) -> None:
    ballots = Ballots(run / "votes.sqlite", "dpo", "base", Run.open(run).systems)
    for i, pair in enumerate(pairs(Run.open(run), "dpo", "base", seed=0)[:20]):
        for rater in ("Ada", "Ben"):
            ballots.cast(rater, pair, "a" if i < 15 else "b", "a")
    ballots.close()
    rate = {"estimate": 0.5, "low": 0.4, "high": 0.6, "n": 120}
    lost = {"system": "base", "perplexity": 20.0, "affirms": {"sad": rate, "plain": rate}, "change": None}
    files.write_json(run / "lost.json", {"adapters": {}, "rows": [lost]})
    files.write_json(run / "export.json", EXPORT)
    manifest = files.read_json(run / "manifest.json")
    kappa = {"judge_a": "fond", "judge_b": "unmoved", "kappa": 0.0, "low": -0.1, "high": 0.1, "n": 24}
    manifest["stages"]["judge"]["facts"]["judge_kappas"] = [kappa]
    files.write_json(run / "manifest.json", manifest)
    ledger = Ledger(run / "ledger.sqlite")
    ledger.record_discarded("refused", model="m", purpose="behaviours", tokens=(9, 1), cost=0.0)
    ledger.close()


def test_tables_hold_the_figures_of_the_summary(run: Path) -> None:
    folder = _tables(run)
    figures = files.read_json(run / "summary.json")
    rows = pandas.read_csv(folder / "win_rates.csv").to_dict("records")
    assert [row["estimate"] for row in rows] == [row["estimate"] for row in figures["win_rates"]]
    assert rows[0]["at_equal_lengths_low"] == figures["length_controlled"][0]["low"]
    text = (folder / "win_rates.tex").read_text(encoding="utf-8")
    assert text.startswith("\\begin{tabular}") and "at\\_equal\\_lengths\\_low" in text
    seconds = pandas.read_csv(folder / "seconds.csv")
    assert dict(zip(seconds["stage"], seconds["seconds"], strict=True)) == figures["seconds"]


def test_win_rates_name_the_family_that_judge_and_teacher_share(run: Path) -> None:
    def families() -> dict[str, str]:
        folder = _tables(run)
        rows = pandas.read_csv(folder / "win_rates.csv", keep_default_na=False).to_dict("records")
        assert "family" in (folder / "by_length.csv").read_text(encoding="utf-8").splitlines()[0]
        return {row["measure"]: row["family"] for row in rows}

    assert set(families().values()) == {""}
    (run / "recipe.yaml").write_text("name: kin\nmethod: {teachers: [qwen]}\n", encoding="utf-8")
    assert families() == {"behaviours": "Qwen", "specificity": "", "agreed": "Qwen"}


def test_levels_are_a_judges_only_where_it_was_asked_for_them(run: Path) -> None:
    (run / "recipe.yaml").write_text("name: kin\nmethod: {teachers: [qwen]}\n", encoding="utf-8")
    figures = summary.write_summary(Run.open(run))
    figures.win_rates[0].measure = "levels"
    for asked, family in (([], ""), (["qwen"], "Qwen")):
        found = dict(tables.tables(figures.model_copy(update={"levels_asked": asked})))
        assert found["win_rates"][0]["family"] == family
