"""What servers say when they refuse, over real HTTP: whom it concerns, and that their own words are told."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from habits import REPLY, Habit, Sent, refused, said

from empathic.endpoints import pricing
from empathic.endpoints.chat_api import Request
from empathic.endpoints.client import Client, ask
from empathic.endpoints.generator import RequestFailed
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError


def _request(text: str = "My dog died.") -> Request:
    return Request([{"role": "user", "content": text}], 64, 1.0)


def _texts(url: str, folder: Path, *texts: str, key_env: str | None = None) -> list[str]:
    with open_endpoint(url, "m", key_env) as endpoint:
        return [
            answer.text for answer in ask(endpoint, map(_request, texts or ("Hello.",)), Ledger(folder / "l"), "test")
        ]


@pytest.mark.parametrize(
    "body",
    [
        "quite wrong",
        '"quite wrong"',
        ["quite wrong"],
        [{"error": {"code": 400, "message": "quite wrong", "status": "INVALID_ARGUMENT"}}],
        {"error": "quite wrong"},
        {"error": {"message": "quite wrong"}},
        {"error": {"message": {"detail": [{"loc": ["body", "x"], "msg": "quite wrong"}]}}},
        {"detail": "quite wrong"},
        {"detail": [{"loc": ["body", "x"], "msg": "quite wrong", "input": {"seed": 0}}]},
        {"message": "quite wrong", "object": "error"},
        {"errors": [{"message": "quite wrong"}]},
        {"error": {"message": "Provider returned error", "metadata": {"raw": "quite wrong"}}},
        "<html><head><style>p {}</style></head><body><h1>quite wrong</h1></body></html>",
        "quite\n\n wrong",
    ],
)
def test_a_servers_own_words_always_reach_the_user(habits, tmp_path: Path, body: Any) -> None:
    server = habits(lambda asked: Sent(400, body))
    with pytest.raises(UserError, match=r"answered 400 \(.*quite wrong") as caught:
        _texts(server.url, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(server.asked) == 1


def test_an_error_under_status_200_is_the_error_that_it_names(habits, tmp_path: Path) -> None:
    stumbles = iter(
        [{"message": "Provider returned error", "code": 502}, {"message": "slow down", "code": 429}, {"code": "x"}]
    )
    server = habits(lambda asked: Sent(200, {"error": error}) if (error := next(stumbles, None)) else said())
    assert _texts(server.url, tmp_path) == [REPLY]
    assert len(server.asked) == 4
    server = habits(lambda asked: Sent(200, {"error": {"message": "Insufficient credits", "code": 400}}))
    with pytest.raises(UserError, match=r"no money left.*Insufficient credits"):
        _texts(server.url, tmp_path)


@pytest.mark.parametrize(
    "sent",
    [
        refused(402, "Insufficient Balance"),
        refused(402, ""),
        refused(429, "You exceeded your current quota.", code="insufficient_quota"),
        refused(400, "Your credit balance is too low to access the API."),
        refused(403, "insufficient user quota", type="new_api_error"),
        refused(500, "Insufficient account balance"),
        refused(403, "Key limit exceeded (total limit)."),
    ],
)
def test_an_empty_account_ends_at_once_with_the_servers_words(habits, tmp_path: Path, sent: Sent) -> None:
    server = habits(lambda asked: sent)
    with pytest.raises(UserError, match=f"no money left.*{re.escape(sent.body['error']['message'])}"):
        _texts(server.url, tmp_path)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "sent",
    [
        refused(503, "Insufficient system resources"),
        refused(429, "Quota for this minute is used up"),
        refused(429, "Per-key limit of 60 requests per minute reached, slow down"),
        refused(429, "API key limit exceeded"),
    ],
)
def test_a_server_that_is_short_of_room_is_asked_again(habits, tmp_path: Path, sent: Sent) -> None:
    stumbles = iter([sent])
    assert _texts(habits(lambda asked: next(stumbles, said())).url, tmp_path) == [REPLY]


FLAGGED = [
    refused(403, 'Your chosen model requires moderation and your input was flagged for "self-harm".'),
    refused(400, "The response was filtered due to our content management policy.", code="content_filter"),
    refused(400, "This model's maximum context length is 4096 tokens, and you asked for 5000 with max_tokens."),
    refused(400, "Blocked by content filter: 'He had a knife, and I have insufficient funds to pay rent'"),
    said("That sounds so heavy, and when you say that", "content_filter"),
    said(None, "content_filter"),
    said(None, "SAFETY"),
]


def _flags(sent: Sent) -> Habit:
    return lambda asked: sent if "knife" in asked["messages"][-1]["content"] else said("Yes")


@pytest.mark.parametrize("sent", FLAGGED)
@pytest.mark.parametrize("texts", [("My knife.", "Hello.", "Bye."), ("Hello.", "My knife.", "Bye.")])
def test_a_message_that_a_server_will_not_have_is_no_opinion(habits, tmp_path: Path, sent: Sent, texts) -> None:
    server = habits(_flags(sent))
    assert _texts(server.url, tmp_path, *texts) == ["" if "knife" in text else "Yes" for text in texts]
    assert len(server.asked) == 3, "it is asked once"


def test_a_judge_has_no_opinion_of_what_it_may_not_see_and_that_is_counted(habits, tmp_path: Path) -> None:
    from empathic.judge import scoring
    from empathic.judge.measures.measure import Means
    from empathic.judge.replies import EvalDialogue, EvalSet
    from empathic.recipe import Judge

    dialogues = [EvalDialogue("a", "My dog died."), EvalDialogue("b", "He had a knife.")]
    judged = EvalSet(dialogues, {"dpo": {"a": "Oh no.", "b": "Oh."}})
    url = habits(_flags(FLAGGED[1])).url
    judge = Judge(endpoint=url, model="m", extra_body={"reasoning_effort": "none"})
    told: list[str] = []
    (scores,) = scoring.score([judged], Means([judge]), Ledger(tmp_path / "l"), log=told.append)
    found = scores.answers("behaviours", judge.name, "dpo")
    assert {id: len(of) for id, of in found.items() if of} == {"a": 2}
    assert told == [
        f"{url} gives no log-probabilities; it was asked so",
        "qwen: 2 of 4 answers were neither yes nor no",
    ]


def test_a_key_that_is_forbidden_everything_stops_and_one_forbidden_message_does_not(habits, tmp_path: Path) -> None:
    server = habits(lambda asked: refused(403, "Not for you."))
    with pytest.raises(UserError, match=r"wants a key.*Not for you"):
        _texts(server.url, tmp_path, *map(str, range(50)))
    assert len(server.asked) <= 16
    server = habits(lambda asked: refused(403, "Not this one.") if "3" in asked["messages"][-1]["content"] else said())
    assert _texts(server.url, tmp_path, *map(str, range(9))) == [REPLY] * 3 + [""] + [REPLY] * 5


def test_a_refused_key_is_not_shown_though_the_server_does(habits, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("K", "sk-secret")
    server = habits(lambda asked: refused(401, "Incorrect API key provided: sk-secret."))
    with pytest.raises(UserError, match=r"refused the key.*Incorrect API key provided: …") as caught:
        _texts(server.url, tmp_path, key_env="K")
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "sent", "says"),
    [
        ("/v1", refused(404, "The model `m` does not exist."), "knows no model 'm'.*does not exist"),
        ("/v1", refused(400, "Model Not Exist"), "knows no model 'm'.*Model Not Exist"),
        ("/v1", refused(404, "model 'm' not found, try pulling it first"), "knows no model 'm'.*try pulling"),
        ("/v1", Sent(404, {"detail": "Not Found"}), "no chat API there, or knows no model 'm'"),
        ("", refused(404, "Not Found"), r"no chat API there.*/v1: endpoint: http://127\.0\.0\.1:\d+/v1"),
        ("/v1/chat/completions", refused(404, "Not Found"), "no chat API there.*leave /chat/completions off"),
        ("/api", refused(404, "Not Found"), "no chat API there.*mostly ends in /v1"),
    ],
)
def test_a_wrong_address_and_a_wrong_model_are_told_apart(
    habits, tmp_path: Path, path: str, sent: Sent, says: str
) -> None:
    server = habits(lambda asked: sent)
    with pytest.raises(UserError, match=says):
        _texts(server.url.removesuffix("/v1") + path, tmp_path)


@pytest.mark.parametrize(
    "header",
    [("Retry-After", "0.4"), ("Retry-After", "DATE"), ("retry-after-ms", "400"), ("Retry-After-Ms", "400"), None],
)
def test_a_server_is_given_the_time_that_it_asks_for(habits, tmp_path: Path, monkeypatch, header) -> None:
    monkeypatch.setattr("empathic.endpoints.failures._LONGEST_REFUSED", 0.01)
    came: list[float] = []

    def habit(asked: dict[str, Any]) -> Sent:
        came.append(time.time())
        name, value = header or ("X", "")
        value = formatdate(came[0] + 2, usegmt=True) if value == "DATE" else value  # a date has whole seconds
        words = "Please try again in 400ms." if header is None else "Too many requests."
        return refused(429, words, {name: value}) if len(came) == 1 else said()

    assert _texts(habits(habit).url, tmp_path) == [REPLY]
    assert 0.35 <= came[1] - came[0] <= 2.5


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "", "Wed, 99 Foo 2000"])
def test_a_time_that_is_none_is_passed_over(habits, tmp_path: Path, value: str) -> None:
    stumbles = iter([refused(503, "no", {"Retry-After": value, "retry-after-ms": value})])
    assert _texts(habits(lambda asked: next(stumbles, said())).url, tmp_path) == [REPLY]


def test_a_model_that_thinks_too_long_now_and_then_is_no_opinion_of_a_judge(habits, tmp_path: Path) -> None:
    thinks = said(None, "length", {"reasoning_content": "Hmm"})
    server = habits(lambda asked: thinks if "3" in asked["messages"][-1]["content"] else said("Yes"))
    with open_endpoint(server.url, "m") as endpoint:
        one_by_one = replace(endpoint, max_connections=1)
        asked = (Request([{"role": "user", "content": f"{i}?"}], 8) for i in range(6))
        texts = [answer.text for answer in ask(one_by_one, asked, Ledger(tmp_path / "l"), "test")]
    assert texts == ["Yes"] * 3 + [""] + ["Yes"] * 2
    assert len(server.asked) == 6


_OF_REPLY = len(REPLY) // 4 + 1


@pytest.mark.parametrize(
    ("sent", "tokens"),
    [
        (said(usage=None), 101 + _OF_REPLY),
        (said(usage={"prompt_tokens": 90}), 90 + _OF_REPLY),
        (said(usage={"completion_tokens": 20}), 101 + 20),
        (said(usage={"prompt_tokens": 90, "completion_tokens": 20}), 90 + 20),
        (said(None, "length", {"reasoning_content": "Hmm"}, usage=None), 101 + 64),
        (said(REPLY, "content_filter", usage=None), 101 + _OF_REPLY),
    ],
)
def test_tokens_that_nobody_counted_are_paid_for_all_the_same(habits, tmp_path: Path, sent: Sent, tokens: int) -> None:
    budget, ledger = pricing.Budget((1000.0, 1000.0), budget=50.0), Ledger(tmp_path / "l")
    with open_endpoint(habits(lambda asked: sent).url, "m") as endpoint, contextlib.suppress(RequestFailed):
        asyncio.run(_one(Client(endpoint, ledger, budget), _request("x" * 400)))
    assert ledger.spent(endpoint.identity) == pytest.approx(tokens / 1000)


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_tokens"])
def test_a_limit_among_what_else_is_asked_is_within_the_budget(habits, tmp_path: Path, name: str) -> None:
    server, budget = habits(lambda asked: said()), pricing.Budget((0.0, 1000.0), budget=0.3)
    with (
        open_endpoint(server.url, "m", extra_body={name: 4000}) as endpoint,
        pytest.raises(pricing.BudgetReached),
    ):
        asyncio.run(_one(Client(endpoint, Ledger(tmp_path / "l"), budget), _request()))
    assert not server.asked


async def _one(client: Client, request: Request) -> None:
    async with client:
        await client.answer(request, "test")
