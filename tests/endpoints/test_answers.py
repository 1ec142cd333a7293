"""Every shape of an answer that servers send, over real HTTP."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from habits import REPLY, Sent, delta, said, streamed

from empathic.endpoints.chat_api import Answer, Request
from empathic.endpoints.client import ask
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError

HELLO = Request([{"role": "user", "content": "My dog died."}], 64, 1.0)
THOUGHT = "Okay, the user lost a dog. I should be kind."


@pytest.fixture
def answered(habits, tmp_path: Path):
    """The answer to a greeting where a server sends this, and what it cost in tokens."""

    number = itertools.count()

    def one(sent: Sent, request: Request = HELLO) -> tuple[Answer, tuple[int, int]]:
        ledger = Ledger(tmp_path / f"{next(number)}.sqlite")
        with open_endpoint(habits(lambda asked: sent).url, "m") as endpoint:
            (answer,) = ask(endpoint, [request], ledger, "test")
        (bill,) = ledger.bill() or [{"prompt_tokens": 0, "completion_tokens": 0}]
        return answer, (bill["prompt_tokens"], bill["completion_tokens"])

    return one


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": REPLY}],
        [REPLY[:20], REPLY[20:]],
        [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}, {"type": "text", "text": REPLY}],
        [{"type": "reasoning", "text": THOUGHT}, {"type": "output_text", "text": REPLY}],
        [{"text": {"value": REPLY}}],
        [None, {"type": "image"}, {"type": "text", "text": REPLY}],
    ],
)
def test_content_may_be_a_list_of_parts(answered, content: list[Any]) -> None:
    assert answered(said(content))[0] == Answer(REPLY, "stop", {})


@pytest.mark.parametrize(
    "text",
    [
        f"<think>\n{THOUGHT}\n</think>\n\n{REPLY}",
        f"{THOUGHT}\n</think>\n\n{REPLY}",
        f"<think></think>{REPLY}",
        f"<thinking>{THOUGHT}</thinking><answer>{REPLY}</answer>",
        f"[THINK]{THOUGHT}[/THINK]{REPLY}",
        f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{REPLY}<|return|>",
        f"<|channel|>final <|constrain|>text<|message|>{REPLY}",
        f"analysis{THOUGHT}assistantfinal{REPLY}",
        f"{REPLY}<|im_end|>",
        f"{REPLY}<|im_end|>\n<|im_start|>user\nThank you!",
        f"{REPLY}<|eot_id|>",
        f"{REPLY}</s>",
        f"{REPLY}<end_of_turn>\n",
        f"{REPLY}<｜end▁of▁sentence｜>",  # noqa: RUF001
        f"<|start_header_id|>assistant<|end_header_id|>\n\n{REPLY}",
        f"<s><|im_start|>assistant\n{REPLY}",
        f"<|begin_of_box|>{REPLY}<|end_of_box|>",
    ],
)
def test_thoughts_and_marks_of_a_turn_are_taken_off(answered, text: str) -> None:
    assert answered(said(text))[0] == Answer(REPLY, "stop", {})


@pytest.mark.parametrize(
    "text", ["You <3 that dog.", "I think </3 says it all.", "Is 3 < 4 | 5 > 2?", "The final channel was shut.", "🙂 ❤️"]
)
def test_what_only_looks_like_a_mark_is_kept(answered, text: str) -> None:
    assert answered(said(text))[0].text == text


@pytest.mark.parametrize(
    "sent",
    [
        said(None, "length", {"reasoning_content": THOUGHT}),
        said("", "length", {"reasoning": THOUGHT}),
        said(f"<think>{THOUGHT}", "length"),
        said(f"<|channel|>analysis<|message|>{THOUGHT}", "length"),
        said([{"type": "thinking", "thinking": THOUGHT}], "length"),
        said("", "length", usage={"prompt_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 64}}),
    ],
)
def test_thoughts_alone_are_no_answer_and_the_line_says_why(answered, sent: Sent) -> None:
    with pytest.raises(UserError, match="the model thinks first"):
        answered(sent)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, (0, 0)),
        ({}, (0, 0)),
        ({"prompt_tokens": None, "completion_tokens": None}, (0, 0)),
        ({"total_tokens": 120}, (120, 0)),
        ({"prompt_tokens": 100, "total_tokens": 120}, (100, 20)),
        ({"completion_tokens": 20, "total_tokens": 120}, (100, 20)),
        ({"prompt_tokens": 100.0, "completion_tokens": "20"}, (100, 20)),
        ({"input_tokens": 100, "output_tokens": 20}, (100, 20)),
        ({"prompt_tokens": -1, "completion_tokens": float("inf")}, (0, 0)),
        ("many", (0, 0)),
    ],
)
def test_usage_may_be_absent_or_in_parts(answered, usage: Any, tokens: tuple[int, int]) -> None:
    answer, paid = answered(said(usage=usage))
    assert (answer.text, paid) == (REPLY, tokens)


@pytest.mark.parametrize(
    ("finish", "is_now"),
    [("MAX_TOKENS", "length"), ("length", "length"), (None, "stop"), ("STOP", "stop"), ("eos", "stop")],
)
def test_why_an_answer_ended_is_told_in_our_words(answered, finish: Any, is_now: str) -> None:
    assert answered(said(finish=finish))[0].finish == is_now


def test_odd_replies_that_hold_an_answer_are_read(answered) -> None:
    whole = said().body
    no_message = {**whole, "choices": [{"text": REPLY}]}
    assert answered(Sent(200, no_message))[0].text == REPLY
    refusal = said(None, "stop", {"refusal": "I'm sorry, I can't help with that."})
    assert answered(refusal)[0].text.startswith("I'm sorry"), "a refusal is the model's own words"


def test_what_no_file_can_hold_is_left_out(answered, tmp_path: Path) -> None:
    assert answered(said("So sorry \ud83d\0for you. 🙂"))[0].text == "So sorry for you. 🙂"


@pytest.mark.parametrize(
    "body",
    [
        {"choices": []},
        {"choices": None},
        {"choices": ["x"]},
        {"choices": [{"index": 0}]},
        {"choices": [{"message": None}]},
        [],
        None,
        "words",
        "{",
        "[" * 100_000,
        b"\xff\xfe",
        b"",
    ],
)
def test_a_garbled_answer_is_one_line(answered, body: Any) -> None:
    with pytest.raises(UserError, match="garbled"):
        answered(Sent(200, body))


def test_a_call_of_a_tool_is_no_answer(answered) -> None:
    with pytest.raises(UserError, match="called a tool"):
        answered(said(None, "tool_calls", {"tool_calls": [{"type": "function"}]}))


def test_a_web_page_says_that_the_address_is_wrong(answered) -> None:
    with pytest.raises(UserError, match=r"a web page came.*address"):
        answered(Sent(200, "<!DOCTYPE html><html><body>LM Studio</body></html>", {"Content-Type": "text/html"}))


def test_a_stream_is_read_as_the_answer_that_it_adds_up_to(answered) -> None:
    parts = [delta(role="assistant", content=""), delta(reasoning_content=THOUGHT)]
    parts += [delta(content=word) for word in (REPLY[:9], REPLY[9:30], REPLY[30:], None)]
    usage = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}
    assert answered(streamed(*parts, delta("stop"), usage)) == (Answer(REPLY, "stop", {}), (100, 20))
    for end in ("", "event: done\n\n", "data: \r\n\r\n"):
        assert answered(streamed(*parts, delta("stop"), end=end))[0].text == REPLY
    assert answered(streamed(*parts))[0].text == REPLY


@pytest.mark.parametrize("end", ["", "event: done\n\n", "data: \r\n\r\n"])
@pytest.mark.parametrize("last", [delta(), delta("error")])
def test_a_stream_that_breaks_off_is_no_answer(answered, end: str, last: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="broke off"):
        answered(streamed(delta(content=REPLY[:9]), last, end=end))


def test_an_answer_that_an_error_ended_is_none(answered) -> None:
    with pytest.raises(UserError, match="broke off"):
        answered(said(REPLY[:9], "error"))


@pytest.mark.parametrize("end", ["\u2028", "\u0085", "\u2029"])
def test_ends_of_lines_within_an_answer_cut_no_stream(answered, end: str) -> None:
    event = json.dumps(delta("stop", content=f"So sorry{end}for you."), ensure_ascii=False)
    for line_end in ("\n", "\r\n", "\r"):
        sent = Sent(200, f"data: {event}{line_end}{line_end}data: [DONE]{line_end}{line_end}")
        assert answered(sent)[0].text == f"So sorry{end}for you."


def test_a_model_that_thought_and_said_nothing_had_room_to_answer(answered) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 50}}
    assert answered(said("", "stop", usage=usage))[0] == Answer("", "stop", {})


def test_log_probabilities_of_a_stream_may_come_after_its_first_chunk(answered) -> None:
    first, second, last = delta(role="assistant", content=""), delta(content="Yes"), delta("stop")
    first["choices"][0]["logprobs"] = {"content": [], "refusal": None}
    top = [{"token": "Yes", "logprob": -0.1}]
    second["choices"][0]["logprobs"] = {"content": [{"token": "Yes", "logprob": -0.1, "top_logprobs": top}]}
    last["choices"][0]["logprobs"] = {"content": [{"token": "!", "top_logprobs": [{"token": "!", "logprob": -1}]}]}
    scored = Request(HELLO.messages, 1, top_logprobs=20)
    assert answered(streamed(first, second, last), scored)[0].logprobs == {"Yes": -0.1}


def test_log_probabilities_come_in_the_shapes_of_chats_and_of_completions(answered) -> None:
    top = [
        {"token": "Yes", "logprob": -0.1},
        {"token": "N\ud83d", "logprob": -3},
        {"token": "x", "logprob": float("nan")},
    ]
    scored = Request(HELLO.messages, 1, top_logprobs=20)
    for logprobs in (
        {"content": [{"token": "Yes", "logprob": -0.1, "top_logprobs": top}]},
        {"content": None, "top_logprobs": [{"Yes": -0.1, "N": -3.0}]},
    ):
        sent = said("Yes", "length")
        sent.body["choices"][0]["logprobs"] = logprobs
        assert answered(sent, scored)[0].logprobs == {"Yes": -0.1, "N": -3.0}


def test_a_local_models_words_are_kept_as_a_phone_would_show_them() -> None:
    from empathic.endpoints.answers import read

    assert read(said("Oh.<|im_end|>").body, verbatim=True)[0].text == "Oh.<|im_end|>"
