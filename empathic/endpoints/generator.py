"""Whoever answers requests: `Client`, which asks one by one, and `BatchClient`, whose answers come another day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from empathic.endpoints.chat_api import Answer, Request

Check = Callable[[Answer], object]
ATTEMPTS = 8


class AnswerPending(Exception):
    """A request whose answer is still to come."""


class RequestFailed(Exception):
    """A request that no attempt got an answer to; says why. Others may fare better."""


class MessageRefused(RequestFailed):
    """A server won't answer this message: its filter stands before it, or it is too long."""


class NoRoomToAnswer(RequestFailed):
    """A model that thinks first had no tokens left for its answer."""


class Generator(Protocol):
    """Gives a request its answer, from the ledger where it is there."""

    async def answer(self, request: Request, purpose: str, check: Check = ...) -> Answer:
        """The answer to a request.

        Args:
            request: what to ask.
            purpose: what the ledger files it under, such as "replies".
            check: raises `InvalidResponse` for an answer that should be asked for again, with another seed.

        Raises:
            RequestFailed: this request can't be answered.
            AnswerPending: not yet; another day brings its answer.
        """
