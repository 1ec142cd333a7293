from __future__ import annotations

import json
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.recipe import Filters
from empathic.teacher.filters import ReplyFilter

DIALOGUE = Dialogue("d", "My boat sank in the harbour.", "A storm came.")


def _passes(keep: Filters, *replies: str) -> list[bool]:
    filters = ReplyFilter(keep)
    return [filters.passes(DIALOGUE, reply) for reply in replies]


def test_without_filters_all_pass() -> None:
    assert _passes(Filters(), "Yes.", "I'm so sorry to hear that.", "Yes.") == [True] * 3


def test_length_is_counted_in_words() -> None:
    assert _passes(Filters(words=[2, 4]), "Oh!", "That boat, gone.", "That boat, all of it, gone.") == [
        False,
        True,
        False,
    ]


def test_stock_phrases_are_found_with_either_apostrophe() -> None:
    said = ("I'm so sorry to hear that.", "I\u2019m so SORRY to hear about it.", "A whole boat, gone in a night.")
    assert _passes(Filters(stock_phrases=False), *said) == [False, False, True]


def test_a_relevant_reply_has_a_content_word_of_its_dialogue() -> None:
    said = ("What a night, and the harbour so near.", "That storm!", "That was very much for you.")
    assert _passes(Filters(relevant=True), *said) == [True, True, False]


def test_near_duplicates_of_earlier_replies_are_dropped() -> None:
    one = "It hurts to see the thing you built go down in one single night."
    near = "It hurts to see the thing you built go down in one long night."
    assert _passes(
        Filters(overlap=0.5), one, near, one, "Something else entirely, said in other words than those."
    ) == [
        True,
        False,
        False,
        True,
    ]


def test_what_each_filter_removed_is_counted_once() -> None:
    filters = ReplyFilter(Filters(words=[2, 40], stock_phrases=False))
    for reply in ("Oh.", "I'm here for you.", "I'm here for you always, friend.", "A boat is a boat."):
        filters.passes(DIALOGUE, reply)
    assert filters.removed == {"words": 1, "stock_phrases": 2}


def test_the_judge_keeps_the_best_of_several_and_the_sieve_counts(faulty, empathic, tmp_path: Path) -> None:
    rows = [
        {"utterance": f"My boat {i} sank.", "replies": {"human": f"Boat {i} was old."}, "split": split}
        for i, split in enumerate(("test", *["train"] * 6))
    ]
    (tmp_path / "six.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    server = faulty("--varied")
    asked = {"endpoint": server.url, "model": "m", "best_of": 3, "keep": {"words": [1, 97]}}
    about = {
        "name": "best",
        "dialogues": {"source": "six.jsonl"},
        "method": {"name": "human-improved"},
        "strategy": "naive",
        "teacher": asked,
        "judge": [{"name": "other", "endpoint": server.url, "model": "n"}],
    }
    (tmp_path / "best.yaml").write_text(json.dumps(about), encoding="utf-8")
    done = empathic("run", tmp_path / "best.yaml", "--out", tmp_path / "run", "--until", "teacher")
    assert done.returncode == 0, done.stderr
    found = list(files.read_jsonl(tmp_path / "run" / "teacher.jsonl"))
    assert [len(set(row["samples"])) for row in found] == [3] * 6
    assert all(row["reply"] in row["samples"] for row in found)
    assert any(row["reply"] != row["samples"][0] for row in found), "the first of three at random is rarely always best"
