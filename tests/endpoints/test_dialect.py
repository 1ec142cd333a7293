"""Parameters that a server doesn't take are found out once, and said as it wants them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from habits import REPLY, Sent, delta, refused, said, streamed

from empathic.endpoints.chat_api import Request
from empathic.endpoints.client import ask
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError

_NEWER = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
_ONLY_1 = (
    "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported."
)


def _extra(name: str) -> Sent:
    fault = {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted", "input": 42}
    return Sent(422, {"object": "error", "message": {"detail": [fault]}, "type": "invalid_request_error"})


REFUSALS = {
    "its value": ("temperature", refused(400, _ONLY_1, param="temperature", code="unsupported_value")),
    "no temperature": ("temperature", refused(400, "temperature is deprecated for this model")),
    "a range": ("temperature", refused(400, "temperature: must be less than or equal to 0.5")),
    "no seed": ("seed", refused(400, "Invalid value for 'seed': this provider does not accept it.")),
    "an extra seed": ("seed", _extra("seed")),
    "an unknown seed": (
        "seed",
        Sent(400, "[{'type': 'unknown', 'msg': 'Unrecognized request argument supplied: seed'}]"),
    ),
    "a list": ("seed", Sent(400, [{"error": {"code": 400, "message": 'Unknown name "seed": Cannot find field.'}}])),
    "newer": ("max_tokens", refused(400, _NEWER, param="max_tokens", code="unsupported_parameter")),
    "an extra": ("reasoning_effort", refused(400, "reasoning_effort is not supported")),
    "words under 200": ("seed", Sent(200, {"error": "Unsupported parameter: seed"})),
    "under 200": ("seed", Sent(200, {"error": {"message": "Unsupported parameter: seed", "code": 400}})),
}


def _ask(
    url: str, folder: Path, count: int = 12, connections: int = 1, top_logprobs: int = 0, **more: Any
) -> list[str]:
    with open_endpoint(url, "m", extra_body=more) as endpoint:
        asked = [
            Request([{"role": "user", "content": f"{i}?"}], 64, 0.7, top_logprobs=top_logprobs, seed=42)
            for i in range(count)
        ]
        one_by_one = replace(endpoint, max_connections=connections)
        return [answer.text for answer in ask(one_by_one, asked, Ledger(folder / "l.sqlite"), "test")]


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_a_server_refuses_is_left_out_once_and_for_all(habits, tmp_path: Path, kind: str) -> None:
    name, sent = REFUSALS[kind]
    server = habits(lambda asked: sent if name in asked else said())
    assert _ask(server.url, tmp_path, reasoning_effort="low") == [REPLY] * 12
    assert [name in asked for asked in server.asked] == [True] + [False] * 12
    others = {"model", "messages", "max_tokens", "temperature", "seed", "reasoning_effort"} - {name}
    assert others <= server.asked[-1].keys()
    if name == "max_tokens":
        assert server.asked[-1]["max_completion_tokens"] == 64


@pytest.mark.parametrize(
    ("words", "leaves_out"),
    [
        ("Invalid value for 'seed': this provider does not accept it.", "seed"),
        ("Unknown parameter 'seed'. Accepted: model, messages, max_tokens, temperature, reasoning_effort", "seed"),
        ("Unknown parameter: seed. Accepted parameters are model, messages, max_tokens, reasoning_effort", "seed"),
        ("`reasoning_effort` is not supported for this user.", "reasoning_effort"),
        ("Unknown name 'user' of this provider", "user"),
    ],
)
def test_a_word_that_is_also_a_name_is_not_left_out(habits, tmp_path: Path, words: str, leaves_out: str) -> None:
    server = habits(lambda asked: refused(400, words) if leaves_out in asked else said())
    more: dict[str, Any] = {"provider": {"data_collection": "deny"}, "user": "u", "reasoning_effort": "low"}
    assert _ask(server.url, tmp_path, 2, **more) == [REPLY] * 2
    first, second, _ = server.asked
    assert first.keys() - second.keys() == {leaves_out}
    assert not second.keys() - first.keys()


def test_words_about_a_message_leave_out_nothing(habits, tmp_path: Path) -> None:
    server = habits(lambda asked: refused(400, "Invalid request: the last message must be from the user."))
    with pytest.raises(UserError, match="must be from the user"):
        _ask(server.url, tmp_path, 1, user="u")
    assert len(server.asked) == 1


def test_what_is_left_out_is_told_whoever_asks(habits, tmp_path: Path) -> None:
    told: list[str] = []
    server = habits(lambda asked: refused(400, "Unknown name 'seed'") if "seed" in asked else said())
    with open_endpoint(server.url, "m", log=told.append) as endpoint:
        list(ask(endpoint, [Request([{"role": "user", "content": "Hello."}], 9)], Ledger(tmp_path / "l"), "test"))
    assert told == [f"{server.url} takes no seed; it was asked so"]


def test_a_server_may_refuse_all_of_it_one_by_one(habits, tmp_path: Path) -> None:
    names = ("temperature", "seed", "max_tokens", "top_k", "top_p", "min_p", "presence_penalty", "user", "logit_bias")

    def habit(asked: dict[str, Any]) -> Sent:
        wrong = next((name for name in names if name in asked), None)
        return refused(400, f"Unsupported parameter: '{wrong}'.") if wrong else said()

    server = habits(habit)
    more = dict.fromkeys(names[3:], 1)
    assert _ask(server.url, tmp_path, connections=4, **more) == [REPLY] * 12
    assert server.asked[-1].keys() == {"model", "messages", "max_completion_tokens"}
    assert len(server.asked) <= 12 + 4 * len(names)


@pytest.mark.parametrize(
    "words",
    [
        "Invalid value for 'top_logprobs': must be less than or equal to 5.",
        "Requested sample logprobs of 20, which is greater than max allowed: 5",
        "top_logprobs must be between 0 and 5",
    ],
)
def test_fewer_log_probabilities_are_asked_for_where_twenty_are_too_many(habits, tmp_path: Path, words: str) -> None:
    def habit(asked: dict[str, Any]) -> Sent:
        if asked.get("top_logprobs", 0) > 5:
            return refused(400, words)
        sent = said("Yes", "length")
        sent.body["choices"][0]["logprobs"] = {"content": [{"top_logprobs": [{"token": "Yes", "logprob": -0.1}]}]}
        return sent

    server = habits(habit)
    assert _ask(server.url, tmp_path, top_logprobs=20) == ["Yes"] * 12
    assert [asked.get("top_logprobs") for asked in server.asked] == [20] + [5] * 12


@pytest.mark.parametrize(
    "words",
    [
        "This model only support stream mode, please enable the stream parameter to access the model.",
        "parameter.enable_thinking must be set to false for non-streaming calls",
        "Stream must be set to true",
        "Non-streaming requests are not supported.",
    ],
)
def test_a_server_that_only_streams_is_read_as_a_stream(habits, tmp_path: Path, words: str) -> None:
    def habit(asked: dict[str, Any]) -> Sent:
        if not asked.get("stream"):
            return refused(400, words)
        if "stream_options" in asked:
            return refused(400, "Unrecognized request argument supplied: stream_options")
        return streamed(*(delta(content=word) for word in (REPLY[:9], REPLY[9:])), delta("stop"))

    server = habits(habit)
    assert _ask(server.url, tmp_path) == [REPLY] * 12
    assert len(server.asked) == 14
    never = habits(lambda asked: refused(400, words))
    with pytest.raises(UserError, match=words[:20]):
        _ask(never.url, tmp_path, 1, top_logprobs=1)
    assert len(never.asked) == 2


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens is too large: 64. This model supports at most 32 completion tokens.",
        "Invalid 'messages[0].content': unsupported type.",
        "Unknown model m, or unsupported.",
    ],
)
def test_what_leaving_out_does_not_mend_is_told(habits, tmp_path: Path, words: str) -> None:
    server = habits(lambda asked: refused(400, words))
    with pytest.raises(UserError, match=words[:12]):
        _ask(server.url, tmp_path, 1)
    assert len(server.asked) == 1


def test_what_else_a_server_wants_is_passed_and_is_part_of_what_is_asked(habits, tmp_path: Path) -> None:
    server = habits(lambda asked: said(f"{asked.get('think')}"))
    for think in (True, False, True):
        assert _ask(server.url, tmp_path, 1, think=think) == [f"{think}"]
    assert _ask(server.url, tmp_path, 1) == ["None"]
    assert len(server.asked) == 3
