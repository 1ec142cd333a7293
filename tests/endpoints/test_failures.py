"""What failures mean for the requests to come: the pace of a busy server, and what a run can go on with."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from habits import REPLY, Habit, Sent, refused, said

from empathic.dialogues import Dialogue
from empathic.endpoints.chat_api import Request
from empathic.endpoints.client import Client, ask
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.recipe import Recipe
from empathic.teacher import live

THINKS = said(None, "length", {"reasoning_content": "Hmm"})


def _texts(url: str, kept: Path, *texts: str, connections: int = 1) -> list[str]:
    asked = [Request([{"role": "user", "content": text}], 8) for text in texts]
    with open_endpoint(url, "m") as endpoint:
        endpoint = replace(endpoint, max_connections=connections)
        return [answer.text for answer in ask(endpoint, asked, Ledger(kept), "test")]


def _unless(word: str, sent: Sent, otherwise: Sent) -> Habit:
    return lambda asked: sent if word in asked["messages"][-1]["content"] else otherwise


@pytest.mark.slow
def test_a_server_that_is_busy_gets_fewer_requests_at_once(habits, tmp_path: Path) -> None:
    number = itertools.count()
    server = habits(lambda asked: refused(429, "Slow down.") if next(number) % 2 else said())
    with open_endpoint(server.url, "m") as endpoint:
        client = Client(replace(endpoint, max_connections=64), Ledger(tmp_path / "l"))

        async def all_at_once() -> None:
            requests = (Request([{"role": "user", "content": f"{i}"}], 8) for i in range(100))
            async with client:
                await asyncio.gather(*(client.answer(request, "test") for request in requests))

        asyncio.run(all_at_once())
    assert client.limiter.limit <= 16


def test_a_busy_server_is_given_longer_each_time(habits, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("empathic.endpoints.backoff.random.uniform", lambda least, most: most)
    came: list[float] = []

    def habit(asked: dict[str, Any]) -> Sent:
        came.append(time.monotonic())
        return refused(429, "Slow down.") if len(came) <= 6 else said()

    assert _texts(habits(habit).url, tmp_path / "l", "Hello.") == [REPLY]
    assert came[6] - came[5] > 0.3, "0.01 s after the first, twice that after each further one"


@pytest.mark.parametrize("sent", [refused(403, "Not this one."), THINKS])
def test_a_judging_goes_on_where_only_what_has_no_answer_is_left(habits, tmp_path: Path, sent: Sent) -> None:
    server, texts = habits(_unless("3", sent, said("Yes"))), [f"{i}?" for i in range(6)]
    for _ in range(2):
        assert _texts(server.url, tmp_path / "l", *texts) == ["Yes"] * 3 + [""] + ["Yes"] * 2
    assert len(server.asked) == 7


def test_a_teacher_goes_on_where_only_a_forbidden_message_is_left(habits, tmp_path: Path) -> None:
    server = habits(_unless("knife", refused(403, "Not this one."), said()))
    recipe = Recipe(name="r", method={"name": "direct"}, teacher={"endpoint": server.url})
    dialogues = [Dialogue(text, text, split="train") for text in ("Hello.", "My knife.", "Bye.")]
    for _ in range(2):
        with open_endpoint(server.url, "m") as endpoint:
            client = Client(replace(endpoint, max_connections=1), Ledger(tmp_path / "l"))
            rows = [row for of_one in live.replies([(d, None) for d in dialogues], recipe, client) for row in of_one]
        assert ["reply" in row for row in rows] == [True, False, True]
        assert "Not this one" in rows[1]["aside"]


def test_one_question_that_is_thought_of_too_long_does_not_end_a_judging_though_it_comes_back_first(
    habits, tmp_path: Path
) -> None:
    def habit(asked: dict[str, Any]) -> Sent:
        if asked["messages"][-1]["content"] == "0?":
            return THINKS
        time.sleep(0.1)
        return said("Yes")

    texts = [f"{i}?" for i in range(6)]
    assert _texts(habits(habit).url, tmp_path / "l", *texts, connections=8) == [""] + ["Yes"] * 5


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_model_that_only_thinks_ends_a_judging(habits, tmp_path: Path, count: int) -> None:
    server = habits(lambda asked: THINKS)
    with pytest.raises(UserError, match=r"thinks first.*extra_body"):
        _texts(server.url, tmp_path / "l", *map(str, range(count)), connections=2)
    assert len(server.asked) < 20
