from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from voting import SYSTEMS, N

from empathic import files
from empathic.errors import UserError
from empathic.run import Run
from empathic.vote import ballot_pairs
from empathic.vote.ballots import Ballots
from empathic.vote.tally import tally


def test_known_replies_can_be_voted_on_and_equal_texts_are_left_out(run: Path) -> None:
    assert len(ballot_pairs.pairs(Run.open(run), "dpo", "human", 0)) == N
    rows = list(files.read_jsonl(run / "replies" / "dpo.jsonl"))
    files.write_jsonl(run / "replies" / "base.jsonl", rows[:4] + [{**row, "reply": "other"} for row in rows[4:]])
    assert len(ballot_pairs.pairs(Run.open(run), "dpo", "base", 0)) == N - 4


def test_a_pair_is_one_whichever_way_round_it_is_named(run: Path) -> None:
    for rater, (a, b) in (("Ada", ("dpo", "base")), ("Grace", ("base", "dpo"))):
        ballots, shown = Ballots(run / "votes.sqlite", a, b, SYSTEMS), ballot_pairs.pairs(Run.open(run), a, b, 0)
        assert all(pair.a.startswith("GOOD") for pair in shown)
        for pair in shown:
            ballots.cast(rater, pair, "a", "b")
        assert len(ballots.seen(rater)) == N
        ballots.close()
    (found,) = tally(Run.open(run))
    assert (found["a"], found["b"], found["raters"], found["win_rate"]["estimate"]) == ("dpo", "base", 2, 1.0)
    assert ballot_pairs.ordered("human", "base", SYSTEMS) == ("base", "human")
    assert ballot_pairs.ordered("human", "chatgpt", SYSTEMS) == ("chatgpt", "human")


def test_a_file_that_holds_no_votes_is_one_line(refused, run: Path) -> None:
    path = run / "votes.sqlite"
    path.write_text("no database, but as long as the header of one, which is a hundred bytes and so many more" * 2)
    assert "votes.sqlite: not a file of votes that can be used" in refused("vote", run)
    with pytest.raises(UserError, match="can't be read"):
        tally(Run.open(run))
    path.unlink()
    path.mkdir()
    assert "unable to open database file" in refused("vote", run)
    path.rmdir()
    sqlite3.connect(path).close()
    assert tally(Run.open(run)) == []
