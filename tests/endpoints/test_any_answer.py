"""Whatever a server sends ends in an answer that can be kept, or in an error of our own."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from habits import Sent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from empathic.endpoints.answers import ErrorReply, NoAnswer, WebPage, load, read
from empathic.endpoints.chat_api import Answer, Request
from empathic.endpoints.client import ask
from empathic.endpoints.dialect import Dialect
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.endpoints.refusals import refusal
from empathic.errors import UserError

NAMES = """
choices message content text type finish_reason usage prompt_tokens completion_tokens total_tokens error code status
logprobs top_logprobs token logprob reasoning_content refusal tool_calls delta detail loc msg param metadata
completion_tokens_details reasoning_tokens
"""
WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["<think>", "</think>", "<|im_end|>", "<|channel|>final<|message|>", "stop", "length", "content_filter"]
    ),
    st.sampled_from(["429", "unsupported parameter: 'seed'", "max_tokens", "\ud83d", "text", "thinking", "rate_limit"]),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS)
JSON = st.recursive(
    LEAVES,
    lambda of: st.one_of(
        st.lists(of, max_size=3), st.dictionaries(st.sampled_from(NAMES.split()) | st.text(max_size=3), of)
    ),
    max_leaves=25,
)
CHOICE = st.fixed_dictionaries(
    {"message": st.fixed_dictionaries({"content": JSON})}, optional={"finish_reason": JSON, "logprobs": JSON}
)
REPLY = st.fixed_dictionaries(
    {"choices": st.lists(CHOICE, min_size=1, max_size=2)}, optional={"usage": JSON, "error": JSON}
)
BODY = st.one_of(JSON, REPLY)


@given(BODY, st.booleans(), st.booleans())
def test_any_json_value_is_read(body: Any, scored: bool, verbatim: bool) -> None:
    try:
        answer, tokens = read(load(json.dumps(body)), scored, verbatim)
    except (NoAnswer, ErrorReply, WebPage):
        return
    json.dumps(asdict(answer), ensure_ascii=False).encode()
    assert answer.finish in ("stop", "length")
    assert all(isinstance(count, int) and count >= 0 for count in tokens)


@given(
    st.one_of(
        st.text(), st.lists(BODY, max_size=3).map(lambda all: "".join(f"data: {json.dumps(one)}\n" for one in all))
    )
)
def test_any_text_is_read(text: str) -> None:
    with contextlib.suppress(NoAnswer, ErrorReply, WebPage):
        read(load(text))


@given(st.integers(400, 599), BODY | st.text())
def test_any_refusal_has_words_that_can_be_shown_and_is_learnt_from(status: int, body: Any) -> None:
    said = refusal(status, body, "sk-secret")
    str(said).encode()
    assert "\n" not in said.said
    asked = {"model": "m", "messages": [], "max_tokens": 9, "seed": 1, "temperature": 0.0, "top_logprobs": 20}
    dialect = Dialect()
    dialect.learn(said, asked)
    left = dialect.say(asked)
    assert {"model", "messages"} <= left.keys()
    assert left.keys() & {"max_tokens", "max_completion_tokens"}, "an answer has an end, whatever a server says"


@pytest.mark.slow
def test_any_answer_over_http_ends_in_an_answer_or_in_one_line(habits, tmp_path: Path) -> None:
    sent: list[Sent] = []
    server, ledger = habits(lambda asked: sent[-1]), Ledger(tmp_path / "l.sqlite")

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sampled_from([200, 200, 200, 400, 403, 404, 422, 500]), BODY)
    def one(status: int, body: Any) -> None:
        sent.append(Sent(status, body))
        request = Request([{"role": "user", "content": str(len(sent))}], 9)
        with open_endpoint(server.url, "m") as endpoint:
            try:
                (answer,) = ask(endpoint, [request], ledger, "test")
            except UserError as error:
                assert server.url in str(error)
            else:
                assert isinstance(answer, Answer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("empathic.endpoints.backoff.FIRST", 0.0)
        one()
