from __future__ import annotations

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
