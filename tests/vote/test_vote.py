from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.errors import UserError
from empathic.vote import ballot_pairs, server
from empathic.vote.ballots import Ballots, votes
from empathic.vote.tally import tally

N = 12
NASTY = "<img src=x onerror=alert(1)> 🙂 شكرا"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's replies to twelve dialogues: the student's says GOOD."""
    folder = tmp_path / "run"
    rows = [
        {"id": f"d{i}", "situation": "", "utterance": f"Message {i} {NASTY}", "split": "test"}
        | {"replies": {"human": {"text": f"A person's reply {i}"}}}
        for i in range(N)
    ]
    files.write_jsonl(folder / "dialogues.jsonl", rows)
    for system, word in (("dpo", "GOOD"), ("base", "bad")):
        replies = [{"id": f"d{i}", "utterance": "", "reply": f"{word} reply {i} {NASTY}"} for i in range(N)]
        files.write_jsonl(folder / "replies" / f"{system}.jsonl", replies)
    return folder


Start = Callable[[], str]


@pytest.fixture
def start(run: Path) -> Iterator[Start]:
    """Serve the run's page; every start opens the votes anew."""
    stop: list[Callable[[], None]] = []

    def begin() -> str:
        ballots = Ballots(run / "votes.sqlite", "dpo", "base")
        listening = server.serve(ballot_pairs.pairs(run, "dpo", "base", 0), ballots, 0)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        stop.extend((listening.shutdown, listening.server_close, ballots.close))
        return f"http://127.0.0.1:{listening.server_address[1]}"

    yield begin
    for end in stop:
        end()


def _outcomes(run: Path) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """Pair of systems -> rater -> dialogue -> outcome for the first system."""
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for vote in votes(run / "votes.sqlite"):
        found.setdefault(vote.pair, {}).setdefault(vote.rater, {})[vote.dialogue] = vote.outcome
    return found


def _rewrite(run: Path, system: str, changed: set[str]) -> None:
    """Other replies to some dialogues, as a student trained anew writes them."""
    path = run / "replies" / f"{system}.jsonl"
    rows = list(files.read_jsonl(path))
    files.write_jsonl(path, ({**row, "reply": f"GOOD {system} anew"} if row["id"] in changed else row for row in rows))


def _post(url: str, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(url + path, data, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else text


def _next(url: str, rater: str) -> Any:
    with urllib.request.urlopen(f"{url}/next?rater={rater}") as answer:
        return json.load(answer)


def _vote_for_good(page: Any, times: int) -> None:
    for _ in range(times):
        before = page.inner_text(".count")
        left = page.inner_text("[data-choice=left] span")
        page.keyboard.press("1" if left.startswith("GOOD") else "2")
        page.wait_for_function("before => document.querySelector('.count').textContent != before", arg=before)


def test_a_rater_votes_by_keyboard_reloads_halfway_and_loses_nothing(chromium, start: Start, run: Path) -> None:
    page = chromium.new_context().new_page()
    page.goto(start())
    page.fill("#rater", "Ada")
    page.keyboard.press("Enter")
    page.wait_for_selector(".pair:not([hidden])")
    _vote_for_good(page, 5)
    page.reload()
    page.wait_for_selector(".pair:not([hidden])")
    assert page.inner_text(".count") == f"5 of {N}"
    _vote_for_good(page, 5)
    page.keyboard.press("=")
    page.wait_for_function("document.querySelector('.count').textContent.startsWith('11')")
    page.keyboard.press("s")
    page.wait_for_selector(".end:not([hidden])")
    assert page.get_attribute("progress", "value") == page.get_attribute("progress", "max") == str(N)
    outcomes = _outcomes(run)[("dpo", "base")]["Ada"]
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
            _vote_for_good(page, 1)
    width = pages[0].evaluate("document.documentElement.scrollWidth")
    assert width <= 390, "the page is wider than a phone"
    assert {name: len(of) for name, of in _outcomes(run)[("dpo", "base")].items()} == {
        "Ada": 4,
        "Grace": 4,
    }
    sides = sqlite3.connect(run / "votes.sqlite").execute("SELECT DISTINCT left_side FROM votes").fetchall()
    assert len(sides) == 2


def test_text_is_shown_as_text_and_nothing_is_fetched_from_elsewhere(chromium, start: Start) -> None:
    page, asked, alerts = chromium.new_context().new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    url = start()
    page.goto(url)
    page.fill("#rater", NASTY)
    page.keyboard.press("Enter")
    page.wait_for_selector(".pair:not([hidden])")
    assert NASTY in page.inner_text(".said") and not alerts
    assert all(one.startswith(url) for one in asked)


def test_neither_the_page_nor_the_next_pair_says_whose_a_reply_is(start: Start) -> None:
    url = start()
    shown = _next(url, "Ada")
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
    status, answer = _post(start(), path, body)
    assert status == 400 and says in answer["error"]
    assert _outcomes(run) == {}


def test_pages_of_other_sites_cannot_vote(start: Start, run: Path) -> None:
    url, vote = start(), {"rater": "A", "pair": "d1", "choice": "left"}
    assert _post(url, "/vote", vote, host="evil.example")[0] == 403
    assert _post(url, "/vote", vote, **{"content-type": "text/plain"})[0] == 400
    assert _outcomes(run) == {}


def test_a_pair_is_voted_on_once_a_rater_and_the_last_vote_stands(start: Start, run: Path) -> None:
    url = start()
    first = _next(url, "A")["next"]
    good = "left" if first["left"].startswith("GOOD") else "right"
    for choice in ("equal", good):
        _post(url, "/vote", {"rater": "A", "pair": first["pair"], "choice": choice})
    assert _outcomes(run)[("dpo", "base")] == {"A": {first["pair"]: 1.0}}
    assert _post(url, "/back", {"rater": "A"})[1]["next"]["pair"] == first["pair"]
    assert _outcomes(run) == {}


def test_votes_survive_a_kill_and_the_command_tells_its_address(run: Path) -> None:
    command = [sys.executable, "-u", "-m", "empathic.cli", "vote", str(run), "--port", "0"]
    for done in range(3):
        voting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
        assert voting.stdout
        line = voting.stdout.readline()
        assert line.startswith(f"{N} pairs to vote on at http://127.0.0.1:")
        url = line.split()[-1].rstrip("/")
        state = _next(url, "Ada")
        assert state["done"] == done
        _post(url, "/vote", {"rater": "Ada", "pair": state["next"]["pair"], "choice": "equal"})
        voting.send_signal(signal.SIGKILL)
        voting.wait()
        voting.stdout.close()
    assert len(_outcomes(run)[("dpo", "base")]["Ada"]) == 3


def test_a_port_in_use_and_systems_that_are_not_there_are_one_line(start: Start, refused, run: Path) -> None:
    port = start().rsplit(":", 1)[1]
    assert "can't listen there" in refused("vote", run, "--port", port)
    assert "want one of base, dpo, human" in refused("vote", run, "--a", "sft")
    assert "two different systems" in refused("vote", run, "--a", "dpo", "--b", "dpo")
    assert "give a run directory" in refused("vote", run / "replies")


def test_known_replies_can_be_voted_on_and_equal_texts_are_left_out(run: Path) -> None:
    assert len(ballot_pairs.pairs(run, "dpo", "human", 0)) == N
    rows = list(files.read_jsonl(run / "replies" / "dpo.jsonl"))
    files.write_jsonl(run / "replies" / "base.jsonl", rows[:4] + [{**row, "reply": "other"} for row in rows[4:]])
    assert len(ballot_pairs.pairs(run, "dpo", "base", 0)) == N - 4


def test_the_tally_holds_people_beside_people_and_judges_beside_people(run: Path) -> None:
    ballots = Ballots(run / "votes.sqlite", "dpo", "base")
    shown = {pair.id: pair for pair in ballot_pairs.pairs(run, "dpo", "base", 0)}
    for rater, wins in (("Ada", 9), ("Grace", 9), ("Joan", 7)):
        for i in range(10):
            ballots.cast(rater, shown[f"d{i}"], "a" if i < wins else "b", "a")
    ballots.cast("Joan", shown["d11"], "skip", "b")
    ballots.close()
    verdicts = [
        {
            "id": f"d{i}",
            "outcomes": {"behaviours": 1.0 if i < 9 else 0.0, "agreed": 0.5},
            "scores": {
                "dpo": {"probabilities": {"j": {"heard": 0.9, "natural": 0.2}}},
                "base": {"probabilities": {"j": {"heard": 0.1, "natural": 0.2}}},
            },
        }
        for i in range(12)
    ]
    files.write_jsonl(run / "verdicts" / "dpo-base.jsonl", verdicts)
    (found,) = tally(run)
    assert (found["raters"], found["votes"], found["stale"]) == (3, 30, 0)
    assert found["win_rate"]["estimate"] == 0.9 and found["win_rate"]["n"] == 10
    assert 0 < found["alpha"] < 1
    by_judge = {row["judge"]: row for row in found["judges"]}
    assert by_judge["behaviours"]["accuracy"] == by_judge["behaviours"]["kappa"] == 1
    assert by_judge["agreed"]["accuracy"] == 0
    assert by_judge["heard"]["accuracy"] == 0.9 and by_judge["natural"]["accuracy"] == 0
    assert by_judge["heard"]["n"] == 10
    assert by_judge["behaviours"]["corrected"]["estimate"] == 0  # right in all ten, and two more lost
    assert by_judge["behaviours"]["corrected"]["n"] == 2
    assert by_judge["agreed"]["corrected"] is None  # a judge that always says tie tells nothing


def test_a_run_without_votes_has_no_tally(run: Path) -> None:
    assert tally(run) == []


def test_votes_on_replies_that_have_changed_count_nowhere_and_are_asked_for_anew(chromium, start, run: Path) -> None:
    url = start()
    for _ in range(10):
        shown = _next(url, "Ada")["next"]
        _post(url, "/vote", {"rater": "Ada", "pair": shown["pair"], "choice": "equal"})
    voted = [vote.dialogue for vote in votes(run / "votes.sqlite")]
    changed = set(voted[7:])
    _rewrite(run, "dpo", changed)
    (found,) = tally(run)
    assert (found["votes"], found["stale"], found["win_rate"]["n"]) == (7, 3, 7)

    url = start()
    state = _next(url, "Ada")
    assert (state["done"], state["stale"], state["next"]["pair"]) == (7, 3, voted[7])
    page = chromium.new_context().new_page()
    page.goto(url)
    page.fill("#rater", "Ada")
    page.keyboard.press("Enter")
    page.wait_for_selector(".changed:not([hidden])")
    assert "since you voted on 3 of these pairs" in page.inner_text(".changed")
    _vote_for_good(page, 3)
    assert page.is_hidden(".changed")
    (found,) = tally(run)
    assert (found["votes"], found["stale"]) == (10, 0)

    _rewrite(run, "base", set(voted))
    assert _post(start(), "/back", {"rater": "Ada"})[1]["stale"] == 10, "back takes back what is shown now, no more"
    (run / "replies" / "base.jsonl").unlink()
    assert tally(run) == []


def test_votes_of_a_version_that_did_not_note_what_was_shown_are_stale(start: Start, run: Path) -> None:
    old = sqlite3.connect(run / "votes.sqlite")
    old.execute(
        "CREATE TABLE votes (rater TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, dialogue TEXT NOT NULL, "
        "outcome REAL, left_side TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (rater, a, b, dialogue))"
    )
    old.execute(
        "INSERT INTO votes VALUES ('Ada', 'base', 'dpo', 'd1', 0, 'a', 1), ('Ada', 'dpo', 'base', 'd2', 1, 'a', 2)"
    )
    old.commit()
    old.close()
    assert tally(run) == []
    url = start()
    state = _next(url, "Ada")
    assert (state["done"], state["stale"]) == (0, 1)
    _post(url, "/vote", {"rater": "Ada", "pair": "d3", "choice": "equal"})
    (found,) = tally(run)
    assert (found["a"], found["b"], found["votes"], found["stale"]) == ("dpo", "base", 1, 2)


def test_a_pair_is_one_whichever_way_round_it_is_named(run: Path) -> None:
    for rater, (a, b) in (("Ada", ("dpo", "base")), ("Grace", ("base", "dpo"))):
        ballots, shown = Ballots(run / "votes.sqlite", a, b), ballot_pairs.pairs(run, a, b, 0)
        assert all(pair.a.startswith("GOOD") for pair in shown)
        for pair in shown:
            ballots.cast(rater, pair, "a", "b")
        assert len(ballots.seen(rater)) == N
        ballots.close()
    (found,) = tally(run)
    assert (found["a"], found["b"], found["raters"], found["win_rate"]["estimate"]) == ("dpo", "base", 2, 1.0)
    assert ballot_pairs.ordered("human", "base") == ("base", "human")
    assert ballot_pairs.ordered("human", "chatgpt") == ("chatgpt", "human")


def test_a_file_that_holds_no_votes_is_one_line(refused, run: Path) -> None:
    path = run / "votes.sqlite"
    path.write_text("no database, but as long as the header of one, which is a hundred bytes and so many more" * 2)
    assert "votes.sqlite: not a file of votes that can be used" in refused("vote", run)
    with pytest.raises(UserError, match="can't be read"):
        tally(run)
    path.unlink()
    path.mkdir()
    assert "unable to open database file" in refused("vote", run)
    path.rmdir()
    sqlite3.connect(path).close()
    assert tally(run) == []


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
            _vote_for_good(page, 1)
            assert page.is_hidden(".error")
        finally:
            voting.kill()
    assert [*_outcomes(run)[("dpo", "base")]["Ada"].values()] == [1.0]
