"""What a teacher's server does to a dialogue: it is answered, put aside with the server's words, or everything ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from habits import REPLY, Habit, Sent, refused, said

from empathic.dialogues import Dialogue
from empathic.endpoints.client import Client
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.recipe import Recipe
from empathic.teacher import live


def _asked(url: str, folder: Path, *messages: str, connections: int = 8, **teacher: Any) -> dict[str, dict[str, Any]]:
    """The last row of each dialogue by its message."""
    recipe = Recipe(name="r", method={"name": "direct"}, teacher={"endpoint": url, **teacher})
    dialogues = [(Dialogue(text, text, split="train"), None) for text in messages or ("My dog died.",)]
    with open_endpoint(url, "m", extra_body=recipe.teacher.extra_body) as endpoint:
        endpoint = replace(endpoint, max_connections=connections)
        rows = live.replies(dialogues, recipe, Client(endpoint, Ledger(folder / "l.sqlite")))
        return {of[-1]["id"]: of[-1] for of in rows}


def _only(sent: Sent) -> Habit:
    return lambda asked: sent if "knife" in asked["messages"][-1]["content"] else said()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (
            refused(403, "Your input was flagged for self-harm.", metadata={"reasons": ["self-harm"]}),
            "flagged for self-harm",
        ),
        (refused(403, "Not this one."), "Not this one"),
        (
            refused(400, "Filtered by our content management policy.", code="content_filter"),
            "content management policy",
        ),
        (refused(400, "The maximum context length is 4096 tokens."), "maximum context length is 4096"),
        (refused(400, "Quite wrong."), "Quite wrong"),
        (said("That sounds so heavy, and when you", "content_filter"), "filter stopped the answer"),
    ],
)
def test_one_message_that_is_refused_is_put_aside_and_the_others_go_on(
    habits, tmp_path: Path, sent: Sent, words: str, first: bool
) -> None:
    messages = ["Hello.", "Bye.", "My car."]
    messages.insert(0 if first else 2, "My knife.")
    rows = _asked(habits(_only(sent)).url, tmp_path, *messages)
    assert [row.get("reply") for id, row in rows.items() if id != "My knife."] == [REPLY] * 3
    assert words in rows["My knife."]["aside"]


@pytest.mark.parametrize(
    "sent", [refused(402, "Insufficient Balance"), refused(401, "No such key"), refused(403, "No")]
)
def test_what_no_dialogue_survives_ends_with_the_servers_words(habits, tmp_path: Path, sent: Sent) -> None:
    server = habits(lambda asked: sent)
    with pytest.raises(UserError, match=sent.body["error"]["message"]):
        _asked(server.url, tmp_path, *map(str, range(300)))
    assert len(server.asked) <= 16


def test_a_model_that_thinks_too_long_says_which_key_to_raise(habits, tmp_path: Path) -> None:
    thinks = said(None, "length", {"reasoning_content": "Okay, the user is sad."})
    server = habits(lambda asked: thinks)
    aside = _asked(server.url, tmp_path, max_tokens=99)["My dog died."]["aside"]
    assert "the model thinks first" in aside
    assert aside.endswith("raise teacher.max_tokens, which is 99")
    assert len(server.asked) == 1


def test_a_model_that_thinks_too_long_now_and_then_is_asked_again(habits, tmp_path: Path) -> None:
    """Another seed may think less, once it is known that the limit is enough for some."""
    thinks, came = said(None, "length", {"reasoning_content": "Okay, the user is sad."}), iter(range(9))
    server = habits(lambda asked: thinks if next(came) in (1, 2) else said())
    rows = _asked(server.url, tmp_path, "Hello.", "Bye.", connections=1)
    assert [row.get("reply") for row in rows.values()] == [REPLY] * 2
    assert len(server.asked) == 4


def test_thoughts_and_marks_do_not_reach_a_reply(habits, tmp_path: Path) -> None:
    text = f"<think>\nThe user says something sad.\n</think>\n\n{REPLY}<|im_end|>"
    assert _asked(habits(lambda asked: said(text)).url, tmp_path)["My dog died."]["reply"] == REPLY


def test_thoughts_without_a_mark_are_asked_for_again(habits, tmp_path: Path) -> None:
    answers = iter([f"Okay, the user lost a dog. I should keep it to 28 words.\n\n{REPLY}"])
    server = habits(lambda asked: said(next(answers, REPLY)))
    assert _asked(server.url, tmp_path)["My dog died."]["reply"] == REPLY
    assert len(server.asked) == 2


def test_a_temperature_of_null_is_the_servers_own_and_more_is_passed(habits, tmp_path: Path) -> None:
    server = habits(lambda asked: said())
    _asked(server.url, tmp_path, temperature=None, extra_body={"reasoning_effort": "low", "provider": {"order": ["a"]}})
    (asked,) = server.asked
    assert "temperature" not in asked
    assert (asked["reasoning_effort"], asked["provider"]) == ("low", {"order": ["a"]})
