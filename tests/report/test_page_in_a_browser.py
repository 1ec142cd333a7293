from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.report import page, summary
from empathic.run import Run


def _written(run: Path) -> str:
    opened = Run.open(run)
    summary.write_summary(opened)
    return page.write_page(opened).as_uri()


@pytest.fixture
def where(run: Path) -> str:
    return _written(run)


def test_dialogues_are_browsed_and_searched(chromium, where: str) -> None:
    shown = chromium.new_page()
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
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


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_tables_sort_by_keyboard(chromium, where: str, key: str) -> None:
    shown = chromium.new_page()
    shown.goto(where)
    table = shown.locator("table.sortable").first
    head = table.get_by_role("button", name="win rate")
    table.get_by_role("button", name="judged by").focus()
    shown.keyboard.press("Tab")
    assert head.evaluate("head => head === document.activeElement"), "heads are reached with Tab"
    for arrow, order in (("descending", True), ("ascending", False)):
        shown.keyboard.press(key)
        assert table.locator("th[aria-sort]").get_attribute("aria-sort") == arrow
        rates = [float(text.rstrip("%")) for text in table.locator("tbody td:nth-child(3)").all_inner_texts()]
        assert len(rates) == 6 and rates == sorted(rates, reverse=order)


def test_what_is_no_figure_is_sorted_below_the_figures(chromium, run: Path) -> None:
    manifest = files.read_json(run / "manifest.json")
    level = manifest["stages"]["judge"]["facts"]["length_controlled"]
    for row, rate in zip(level, (0.4, 0.6, None, 0.05, None, 0.9), strict=True):
        row |= {"estimate": rate, "low": rate, "high": rate, "extrapolated": rate is None}
    files.write_json(run / "manifest.json", manifest)
    shown = chromium.new_page()
    shown.goto(_written(run))
    table = shown.locator("table.sortable").first
    table.get_by_role("button", name="at equal lengths").click()
    cells = [text.split("%")[0] for text in table.locator("tbody td:nth-child(5)").all_inner_texts()]
    assert cells == ["90", "60", "40", "5", "beyond the lengths seen", "beyond the lengths seen"]


def _colour(shown: Any, selector: str, what: str) -> tuple[float, ...]:
    value = shown.locator(selector).first.evaluate(f"of => getComputedStyle(of).{what}")
    return tuple(float(part) for part in re.findall(r"[\d.]+", value)[:3])


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """WCAG 2.2's contrast ratio of two colours in sRGB."""

    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_text_is_readable_in_light_and_in_dark(chromium, where: str) -> None:
    papers = {}
    for scheme in ("light", "dark"):
        shown = chromium.new_page(color_scheme=scheme)
        shown.goto(where)
        paper = papers[scheme] = _colour(shown, "body", "backgroundColor")
        assert _contrast(_colour(shown, "body", "color"), paper) > 7
        for soft in ("caption", ".meta", ".eyebrow", ".fail"):
            assert _contrast(_colour(shown, soft, "color"), paper) > 4.5, (scheme, soft)
        for card in (".two figure:not(.after)", ".two figure.after", ".warn"):
            assert _contrast(_colour(shown, card, "color"), _colour(shown, card, "backgroundColor")) > 7, (scheme, card)
        assert (
            _contrast(_colour(shown, ".two figure.after .score", "color"), _colour(shown, ".after", "backgroundColor"))
            > 4.5
        )
    assert sum(papers["light"]) > 600 > 200 > sum(papers["dark"])


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_never_wider_than_the_screen(chromium, make, width: int) -> None:
    run = make(judges={"a-judge-with-a-rather-long-name": 1.0, "another": 0.0}, said="Incomprehensibilities" * 12)
    shown = chromium.new_page(viewport={"width": width, "height": 800})
    shown.goto(_written(run))
    wide = shown.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
