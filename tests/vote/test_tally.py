from __future__ import annotations

import sqlite3
from pathlib import Path

from voting import SYSTEMS, Start, next_pair, post, rewrite, vote_for_good

from empathic import files
from empathic.run import Run
from empathic.vote import ballot_pairs
from empathic.vote.ballots import Ballots, votes
from empathic.vote.tally import tally


def test_the_tally_holds_people_beside_people_and_judges_beside_people(run: Path) -> None:
    ballots = Ballots(run / "votes.sqlite", "dpo", "base", SYSTEMS)
    shown = {pair.id: pair for pair in ballot_pairs.pairs(Run.open(run), "dpo", "base", 0)}
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
    files.write_jsonl(run / "verdicts" / "dpo.base.jsonl", verdicts)
    (found,) = tally(Run.open(run))
    assert (found["raters"], found["votes"], found["stale"]) == (3, 30, 0)
    assert found["win_rate"]["estimate"] == 0.9 and found["win_rate"]["n"] == 10
    assert 0 < found["alpha"] < 1
    by_judge = {row["measure"]: row for row in found["judges"]}
    assert by_judge["behaviours"]["accuracy"] == by_judge["behaviours"]["kappa"] == 1
    assert by_judge["agreed"]["accuracy"] == 0
    assert by_judge["heard"]["accuracy"] == 0.9 and by_judge["natural"]["accuracy"] == 0
    assert by_judge["heard"]["n"] == 10
    assert by_judge["behaviours"]["corrected"]["estimate"] == 0  # right in all ten, and two more lost
    assert by_judge["behaviours"]["corrected"]["n"] == 2
    assert by_judge["agreed"]["corrected"] is None  # a judge that always says tie tells nothing


def test_a_run_without_votes_has_no_tally(run: Path) -> None:
    assert tally(Run.open(run)) == []


def test_votes_on_replies_that_have_changed_count_nowhere_and_are_asked_for_anew(chromium, start, run: Path) -> None:
    url = start()
    for _ in range(10):
        shown = next_pair(url, "Ada")["next"]
        post(url, "/vote", {"rater": "Ada", "pair": shown["pair"], "choice": "equal"})
    voted = [vote.dialogue for vote in votes(run / "votes.sqlite", SYSTEMS)]
    changed = set(voted[7:])
    rewrite(run, "dpo", changed)
    (found,) = tally(Run.open(run))
    assert (found["votes"], found["stale"], found["win_rate"]["n"]) == (7, 3, 7)

    url = start()
    state = next_pair(url, "Ada")
    assert (state["done"], state["stale"], state["next"]["pair"]) == (7, 3, voted[7])
    page = chromium.new_context().new_page()
    page.goto(url)
    page.fill("#rater", "Ada")
    page.keyboard.press("Enter")
    page.wait_for_selector(".changed:not([hidden])")
    assert "since you voted on 3 of these pairs" in page.inner_text(".changed")
    vote_for_good(page, 3)
    assert page.is_hidden(".changed")
    (found,) = tally(Run.open(run))
    assert (found["votes"], found["stale"]) == (10, 0)

    rewrite(run, "base", set(voted))
    assert post(start(), "/back", {"rater": "Ada"})[1]["stale"] == 10, "back takes back what is shown now, no more"
    (run / "replies" / "base.jsonl").unlink()
    assert tally(Run.open(run)) == []


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
    assert tally(Run.open(run)) == []
    url = start()
    state = next_pair(url, "Ada")
    assert (state["done"], state["stale"]) == (0, 1)
    post(url, "/vote", {"rater": "Ada", "pair": "d3", "choice": "equal"})
    (found,) = tally(Run.open(run))
    assert (found["a"], found["b"], found["votes"], found["stale"]) == ("dpo", "base", 1, 2)
