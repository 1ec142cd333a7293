from __future__ import annotations

import json
from typing import Any

import pytest

from empathic.dialogues import Dialogue, Reply


def test_nothing_of_a_dialogue_changes() -> None:
    said = {"human": Reply("Oh no.", 2)}
    one = Dialogue("d", "My boat sank.", replies=said)
    replies: Any = one.replies
    with pytest.raises(TypeError):
        replies["bot"] = Reply("Sad.")
    said["bot"] = Reply("Sad.")
    assert list(one.replies) == ["human"]


def test_more_replies_make_another_dialogue() -> None:
    one = Dialogue("d", "My boat sank.", replies={"human": Reply("Oh no.", 2)}, split="train")
    two = one.with_replies({"bot": Reply("Sad."), "human": Reply("Oh!")})
    assert {origin: reply.text for origin, reply in two.replies.items()} == {"human": "Oh!", "bot": "Sad."}
    assert (two.id, two.split, one.replies["human"].text) == ("d", "train", "Oh no.")


def test_a_dialogue_goes_to_json_and_back() -> None:
    one = Dialogue("d", "My boat sank.", "A storm.", "sad", {"human": Reply("Oh no.", 2)}, "train")
    row = json.loads(json.dumps(one.to_row()))
    assert row["replies"] == {"human": {"text": "Oh no.", "rating": 2}}
    assert Dialogue.from_row(row) == one
