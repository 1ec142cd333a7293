"""Presets of laws: their wordings, together and alone, and the page that operators publish."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from empathic.cli.main import app
from empathic.errors import UserError
from empathic.safety import compliance, evaluate, protocol, replies
from empathic.safety.compliance import chosen
from empathic.safety.gate import Gate

ROOT = Path(__file__).parents[2]


def test_new_york_prescribes_its_words() -> None:
    law = chosen(["new-york"])
    want = "THE AI COMPANION EVERYDAY IS A COMPUTER PROGRAM AND NOT A HUMAN BEING. IT IS UNABLE TO FEEL HUMAN EMOTION."
    assert [(one.text, one.strong) for one in law.start("everyday")] == [(want, True)]
    assert law.reminder("everyday") == law.start("everyday") and law.seconds == 3 * 3600


def test_california_says_artificially_generated_and_not_human() -> None:
    (start,) = chosen(["california"]).start("everyday")
    assert "artificially generated and not human" in start.text and "suitable for some minors" in start.text
    assert "break" in chosen(["california"]).reminder("everyday")[0].text


def test_every_preset_is_whole() -> None:
    assert list(compliance.presets()) == ["california", "new-york", "washington", "oregon", "eu"]
    for name, one in compliance.presets().items():
        law = chosen([name])
        assert law.start("x") and one.asks and (law.seconds is None) == (not law.reminder("x"))
        assert {ask.done for ask in one.asks} <= {"yes", "partly", "no"}
        assert all(len(ask.since) == 10 for ask in one.asks)
    assert [name for name in compliance.presets() if chosen([name]).marked] == ["eu"]


def test_two_presets_are_both_kept_and_minors_shorten_the_time() -> None:
    both = chosen(["washington", "eu", "washington"])
    assert len(both.presets) == 2 and both.marked and both.seconds == 3 * 3600
    assert [one.text for one in both.start("x")] == [chosen([name]).start("x")[0].text for name in ("washington", "eu")]
    assert chosen(["new-york", "washington"], minors=True).seconds == 3600
    assert chosen(["eu"], minors=True).seconds is None


def test_what_everybody_is_told_comes_first() -> None:
    assert [one.text for one in compliance.everything(chosen([]), "x")] == [replies.package().disclosure()]
    assert compliance.everything(chosen(["eu"]), "x")[0].text == replies.package().disclosure()


@pytest.mark.parametrize(
    ("names", "minors", "line"),
    [
        (["californa"], False, "--compliance californa: no such preset; did you mean 'california'?"),
        (["eu", "EUR"], False, "--compliance EUR: no such preset; did you mean 'eu'?"),
        (["zzz"], False, "want california, new-york, washington, oregon, eu"),
        ([], True, "--minors"),
    ],
)
def test_an_unknown_preset_is_a_line(names: list[str], minors: bool, line: str) -> None:
    with pytest.raises(UserError) as error:
        chosen(names, minors)
    assert line in str(error.value) and "\n" not in str(error.value)


def test_the_protocol_is_a_page_to_complete(tmp_path: Path) -> None:
    out = tmp_path / "protocol.md"
    done = CliRunner().invoke(
        app, ["safety", "protocol", "--compliance", "california", "--compliance", "eu", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    page = out.read_text(encoding="utf-8")
    assert "{" not in page and page.count("\n# ") == 0 and page.startswith("# ")
    crisis = next(row for row in protocol.figures()["rows"] if (row["label"], row["kind"]) == ("crisis", "suicide"))
    for part in (
        replies.package().disclosure(),
        replies.package().fixed("crisis.self", "en"),
        f"{crisis['crisis']['estimate']:.1%}",
        "988",
        "SB 243",
        "22603",
        "art. 50 (2)",
        "no legal advice",
        "age verification",
    ):
        assert part in page, part
    assert "New York" not in page
    assert "legal advice" not in protocol.page(chosen([]))


@pytest.mark.slow
def test_the_figures_are_those_of_this_gate() -> None:
    paths = sorted((ROOT / "benchmarks" / "safety").glob("*.jsonl"))
    found = evaluate.evaluate(evaluate.gather(paths), Gate.load()).to_row()
    assert json.loads(json.dumps(found)) == protocol.figures(), "stale: make gate"
