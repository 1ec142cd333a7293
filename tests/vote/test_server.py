from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from voting import NASTY, N, Start, kept_outcomes, next_pair, post, vote_for_good


def test_a_rater_votes_by_keyboard_reloads_halfway_and_loses_nothing(chromium, start: Start, run: Path) -> None:
    page = chromium.new_context().new_page()
    page.goto(start())
    page.fill("#rater", "Ada")
    page.keyboard.press("Enter")
    page.wait_for_selector(".pair:not([hidden])")
    vote_for_good(page, 5)
    page.reload()
    page.wait_for_selector(".pair:not([hidden])")
    assert page.inner_text(".count") == f"5 of {N}"
    vote_for_good(page, 5)
    page.keyboard.press("=")
    page.wait_for_function("document.querySelector('.count').textContent.startsWith('11')")
    page.keyboard.press("s")
    page.wait_for_selector(".end:not([hidden])")
    assert page.get_attribute("progress", "value") == page.get_attribute("progress", "max") == str(N)
    outcomes = kept_outcomes(run)[("dpo", "base")]["Ada"]
    assert sorted(outcomes.values()) == [0.5] + [1.0] * 10  # the skipped one is no vote
    page.keyboard.press("b")
    page.wait_for_selector(".pair:not([hidden])")
    assert page.inner_text(".count") == f"{N - 1} of {N}"


def test_two_raters_at_once_see_the_same_pairs_and_sides_by_lot(chromium, start: Start, run: Path) -> None:
    url = start()
    pages = [chromium.new_context(viewport={"width": 390, "height": 800}).new_page() for _ in range(2)]
    for page, name in zip(pages, ("Ada", "Grace"), strict=True):
        page.goto(url)
        page.fill("#rater", name)
        page.click("text=Begin")
        page.wait_for_selector(".pair:not([hidden])")
    assert pages[0].inner_text(".said") == pages[1].inner_text(".said")
    for _ in range(4):
        for page in pages:
            vote_for_good(page, 1)
    width = pages[0].evaluate("document.documentElement.scrollWidth")
    assert width <= 390, "the page is wider than a phone"
    assert {name: len(of) for name, of in kept_outcomes(run)[("dpo", "base")].items()} == {
        "Ada": 4,
        "Grace": 4,
    }
    sides = sqlite3.connect(run / "votes.sqlite").execute("SELECT DISTINCT left_side FROM votes").fetchall()
    assert len(sides) == 2


def test_text_is_shown_as_text_and_nothing_is_fetched_from_elsewhere(chromium, start: Start) -> None:
    page, asked, alerts = chromium.new_context().new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))

    def dismiss(dialog: Any) -> None:
        alerts.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    url = start()
    page.goto(url)
    page.fill("#rater", NASTY)
    page.keyboard.press("Enter")
    page.wait_for_selector(".pair:not([hidden])")
    assert NASTY in page.inner_text(".said") and not alerts
    assert all(one.startswith(url) for one in asked)


def test_neither_the_page_nor_the_next_pair_says_whose_a_reply_is(start: Start) -> None:
    url = start()
    shown = next_pair(url, "Ada")
    assert shown["next"].keys() == {"pair", "utterance", "left", "right"}
    with urllib.request.urlopen(url) as answer:
        assert "dpo" not in answer.read().decode()


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/vote", {"rater": "A", "pair": "d99", "choice": "left"}, "no such pair"),
        ("/vote", {"rater": "A", "pair": "d1", "choice": "a"}, "choose one of"),
        ("/vote", {"rater": "  ", "pair": "d1", "choice": "left"}, "give a name"),
        ("/vote", {"rater": "A" * 99, "pair": "d1", "choice": "left"}, "give a name"),
        ("/vote", [], "JSON object"),
        ("/vote", b"{", "JSON object"),
        ("/vote", b"x" * 20_000, "JSON object"),
        ("/count", {"rater": "A"}, "nothing here"),
    ],
)
def test_a_vote_that_cannot_be_is_refused_and_nothing_is_kept(
    start: Start, run: Path, path: str, body: Any, says: str
) -> None:
    status, answer = post(start(), path, body)
    assert status == 400 and says in answer["error"]
    assert kept_outcomes(run) == {}


def test_pages_of_other_sites_cannot_vote(start: Start, run: Path) -> None:
    url, vote = start(), {"rater": "A", "pair": "d1", "choice": "left"}
    assert post(url, "/vote", vote, host="evil.example")[0] == 403
    assert post(url, "/vote", vote, **{"content-type": "text/plain"})[0] == 400
    assert kept_outcomes(run) == {}


def test_a_pair_is_voted_on_once_a_rater_and_the_last_vote_stands(start: Start, run: Path) -> None:
    url = start()
    first = next_pair(url, "A")["next"]
    good = "left" if first["left"].startswith("GOOD") else "right"
    for choice in ("equal", good):
        post(url, "/vote", {"rater": "A", "pair": first["pair"], "choice": choice})
    assert kept_outcomes(run)[("dpo", "base")] == {"A": {first["pair"]: 1.0}}
    assert post(url, "/back", {"rater": "A"})[1]["next"]["pair"] == first["pair"]
    assert kept_outcomes(run) == {}


def test_votes_survive_a_kill_and_the_command_tells_its_address(run: Path) -> None:
    command = [sys.executable, "-u", "-m", "empathic.cli", "vote", str(run), "--port", "0"]
    for done in range(3):
        voting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
        assert voting.stdout
        line = voting.stdout.readline()
        assert line.startswith(f"{N} pairs to vote on at http://127.0.0.1:")
        url = line.split()[-1].rstrip("/")
        state = next_pair(url, "Ada")
        assert state["done"] == done
        post(url, "/vote", {"rater": "Ada", "pair": state["next"]["pair"], "choice": "equal"})
        voting.send_signal(signal.SIGKILL)
        voting.wait()
        voting.stdout.close()
    assert len(kept_outcomes(run)[("dpo", "base")]["Ada"]) == 3


@pytest.mark.slow
def test_a_port_in_use_and_systems_that_are_not_there_are_one_line(start: Start, refused, run: Path) -> None:
    port = start().rsplit(":", 1)[1]
    assert "can't listen there" in refused("vote", run, "--port", port)
    assert "want one of base, dpo, human" in refused("vote", run, "--a", "sft")
    assert "two different systems" in refused("vote", run, "--a", "dpo", "--b", "dpo")
    assert "give a run directory" in refused("vote", run / "replies")


def test_a_disk_that_fails_is_told_of_on_the_page_and_the_vote_can_be_cast_again(chromium, run: Path) -> None:
    command = [sys.executable, "-u", "-m", "empathic.cli", "vote", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as voting:
        try:
            assert voting.stdout
            url = voting.stdout.readline().split()[-1].rstrip("/")
            page = chromium.new_context().new_page()
            page.goto(url)
            page.fill("#rater", "Ada")
            page.keyboard.press("Enter")
            page.wait_for_selector(".pair:not([hidden])")
            before = resource.prlimit(voting.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            page.keyboard.press("=")
            page.wait_for_selector(".error:not([hidden])")
            assert "the vote is not kept" in page.inner_text(".error")
            assert "try again" in page.inner_text(".error")
            assert page.inner_text(".count") == f"0 of {N}"
            resource.prlimit(voting.pid, resource.RLIMIT_FSIZE, before)
            vote_for_good(page, 1)
            assert page.is_hidden(".error")
        finally:
            voting.kill()
    assert [*kept_outcomes(run)[("dpo", "base")]["Ada"].values()] == [1.0]
