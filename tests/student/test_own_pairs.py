"""Pairs of a student's own replies: the best over the worst, where they are apart, complete and no formula."""

from __future__ import annotations

from empathic.dialogues import Dialogue
from empathic.student.own_pairs import OwnPair, Sample, pair_up

LONG = "That is a long day, and it was not your fault at all."


def _pairs(*sampled: list[Sample], margin: float = 0.2) -> list[OwnPair]:
    dialogues = (Dialogue(id=f"d{i}", utterance=f"Message {i}") for i in range(len(sampled)))
    return list(pair_up(zip(dialogues, sampled, strict=True), margin))


def test_the_best_is_preferred_to_the_worst() -> None:
    (pair,) = _pairs([Sample("Oh.", 0.3), Sample("Well done!", 0.9), Sample("Hm.", 0.1)])
    assert (pair.chosen.text, pair.rejected.text) == ("Well done!", "Hm.")
    row = pair.to_row()
    assert row["prompt"] == [{"role": "user", "content": "Message 0"}]
    assert row["chosen"] == [{"role": "assistant", "content": "Well done!"}]


def test_replies_that_are_nearly_alike_in_reward_teach_nothing() -> None:
    assert not _pairs([Sample("Oh.", 0.5), Sample("Hm.", 0.6)])
    assert not _pairs([Sample("Oh.", 0.5), Sample("Oh.", 0.5)], margin=0.0)
    assert not _pairs([Sample(" ", 0.9), Sample("", 0.1)])


def test_a_reply_that_was_cut_off_is_never_chosen() -> None:
    (pair,) = _pairs([Sample("On and on", 0.9, ended=False), Sample("Well done!", 0.6)])
    assert (pair.chosen.text, pair.rejected.text) == ("Well done!", "On and on")
    assert not _pairs([Sample("On and on", 0.9, ended=False), Sample("Still going", 0.8, ended=False)], margin=0.0)


def test_a_formula_loses_its_worth() -> None:
    found = _pairs(*([[Sample(LONG, 0.9), Sample("Rain again, and no coat.", 0.5), Sample("Hm.", 0.1)]] * 4))
    assert [pair.chosen.text for pair in found[:2]] == [LONG, LONG]
    assert LONG not in [pair.chosen.text for pair in found[2:]]
