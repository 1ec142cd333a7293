from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from empathic.dialogues import Dialogue, sources, table
from empathic.dialogues.chats import chat
from empathic.recipe import Dialogues

SAID, ANSWER = "My dog died.", "And now a quiet house."
GOES_ON = [{"role": "user", "content": "Since Sunday."}, {"role": "assistant", "content": "Sundays, then."}]
EXCHANGE = [{"role": "user", "content": SAID}, {"role": "assistant", "content": ANSWER}]
SHAREGPT = [{"from": "human", "value": SAID}, {"from": "gpt", "value": ANSWER}]
CHOSEN = {"assistant": ANSWER}
BOTH = {"chosen": ANSWER, "rejected": "Get a new one."}
REJECTED = [EXCHANGE[0], {"role": "assistant", "content": "Get a new one."}]


def _one(folder: Path, row: dict[str, Any], columns: dict[str, str] | None = None) -> tuple[Dialogue, Counter[str]]:
    facts: Counter[str] = Counter()
    lines = [json.dumps(row), json.dumps(row).replace(SAID, "I won.")]
    (folder / "x.jsonl").write_text("\n".join(lines), encoding="utf-8")
    asked = Dialogues(source=str(folder / "x.jsonl"), split="random", columns=columns or {})
    return next(iter(list(sources.stream_dialogues(asked, 1, facts)))), facts


@pytest.mark.parametrize(
    ("row", "replies"),
    [
        ({"messages": [{"role": "system", "content": "Be kind."}, *EXCHANGE]}, CHOSEN),
        ({"messages": {"role": ["user", "assistant"], "content": [SAID, ANSWER]}}, CHOSEN),
        ({"messages": json.dumps(EXCHANGE)}, CHOSEN),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": SAID}]}, EXCHANGE[1]]}, CHOSEN),
        ({"conversations": SHAREGPT}, CHOSEN),
        ({"conversations": [{"from": "gpt", "value": "Hello!"}, *SHAREGPT]}, CHOSEN),
        ({"instruction": SAID, "input": "", "output": ANSWER}, CHOSEN),
        ({"prompt": SAID, "completion": ANSWER}, CHOSEN),
        ({"prompt": EXCHANGE[:1], "completion": EXCHANGE[1:]}, CHOSEN),
        ({"Instruction": SAID, "Output": ANSWER}, CHOSEN),
        ({"text": SAID, "label": 3, "response": ANSWER}, CHOSEN),
        ({"utterance": SAID, "reply": ANSWER}, CHOSEN),
        ({"Utterance": SAID, "Replies": {"kind": {"text": ANSWER, "rating": 3}}}, {"kind": ANSWER}),
        ({" Utterance ": SAID, "Reply.worse": ANSWER}, {"worse": ANSWER}),
        ({"utterance": SAID, "reply.worse": ANSWER, "response": "Hm."}, {"worse": ANSWER}),
        ({"utterance": SAID, "response": ["no", "chat"]}, {}),
        ({"utterance": SAID, "chosen": ANSWER, "rejected": "Get a new one."}, BOTH),
        ({"prompt": SAID, "chosen": EXCHANGE, "rejected": REJECTED}, BOTH),
        ({"prompt": EXCHANGE[:1], "chosen": EXCHANGE[1:], "rejected": REJECTED[1:]}, BOTH),
        ({"chosen": EXCHANGE, "rejected": REJECTED}, BOTH),
        ({"prompt": SAID, "chosen": ANSWER, "rejected": "Get a new one."}, BOTH),
        (
            {
                "chosen": f"\n\nHuman: {SAID}\n\nAssistant: {ANSWER}",
                "rejected": f"\n\nHuman: {SAID}\n\nAssistant: Get a new one.",
            },
            BOTH,
        ),
    ],
)
def test_chats_instructions_and_preferences_are_read_without_help(
    tmp_path: Path, row: dict[str, Any], replies: dict[str, str]
) -> None:
    found, facts = _one(tmp_path, row)
    assert found.utterance == SAID
    assert {origin: reply.text for origin, reply in found.replies.items()} == replies
    assert not facts[table.MORE]


def test_the_first_exchange_is_used_and_those_that_go_on_are_counted(tmp_path: Path) -> None:
    found, facts = _one(tmp_path, {"messages": EXCHANGE + GOES_ON})
    assert (found.utterance, found.replies["assistant"].text) == (SAID, ANSWER)
    assert facts[table.MORE] == 2


def test_columns_of_the_recipe_may_name_a_chat(tmp_path: Path) -> None:
    found, _ = _one(tmp_path, {"talk": EXCHANGE, "bad": REJECTED}, {"utterance": "talk", "reply.worse": "bad"})
    assert found.utterance == SAID
    assert {origin: reply.text for origin, reply in found.replies.items()} == {"worse": "Get a new one."}


def test_an_instructions_input_belongs_to_the_message(tmp_path: Path) -> None:
    found, _ = _one(tmp_path, {"instruction": "Answer this:", "input": SAID, "output": ANSWER})
    assert found.utterance == f"Answer this:\n{SAID}"


def test_a_recipe_that_names_a_reply_has_no_other_guessed(tmp_path: Path) -> None:
    found, _ = _one(tmp_path, {"text": SAID, "answer": ANSWER}, {"utterance": "text", "reply.kind": "answer"})
    assert set(found.replies) == {"kind"}
    found, _ = _one(tmp_path, {"Text": SAID, "a": ANSWER, "reply": "Hm."}, {"utterance": "Text", "reply.kind": "a"})
    assert set(found.replies) == {"kind"}


@pytest.mark.parametrize(
    ("beside", "replies"),
    [
        ({"response": ANSWER}, CHOSEN),
        ({"chosen": ANSWER, "rejected": "Get a new one."}, BOTH),
        ({"chosen": EXCHANGE, "rejected": REJECTED}, BOTH),
        ({"Replies": {"kind": ANSWER}}, {"kind": ANSWER}),
    ],
)
def test_replies_are_told_by_their_names_beside_a_message_that_the_recipe_names(
    tmp_path: Path, beside: dict[str, Any], replies: dict[str, str]
) -> None:
    found, _ = _one(tmp_path, {"post": SAID, **beside}, {"utterance": "post"})
    assert found.utterance == SAID
    assert {origin: reply.text for origin, reply in found.replies.items()} == replies


def test_a_column_that_the_recipe_takes_for_the_message_is_no_reply(tmp_path: Path) -> None:
    found, _ = _one(tmp_path, {"response": SAID}, {"utterance": "response"})
    assert (found.utterance, dict(found.replies)) == (SAID, {})
    chat_beside = {"messages": EXCHANGE, "response": "Hm."}
    found, _ = _one(tmp_path, chat_beside, {"utterance": "messages"})
    assert found.replies["assistant"].text == ANSWER


def test_an_instruction_in_capitals_has_its_input_beside_it(tmp_path: Path) -> None:
    found, _ = _one(tmp_path, {"Instruction": "Answer this:", "Input": SAID, "Output": ANSWER})
    assert found.utterance == f"Answer this:\n{SAID}"


@pytest.mark.parametrize("value", ["plain", "[sic] I said", [], ["a"], {"a": 1}, None, 3, [{"a": 1}], '[{"role": '])
def test_what_is_no_chat_is_none(value: Any) -> None:
    assert chat(value) is None
