"""The chat API's wire as OpenAI's clients speak it: what a request may hold, and what comes back."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from empathic.conversation.engine import Chunk
from empathic.conversation.messages import BadMessage, Message
from empathic.conversation.speaker import Speaker

MOST_MESSAGES = 400  # of a conversation; a context holds fewer
_MOST_TOKENS = 100_000  # of a reply; llama.cpp counts in 32 bits
_Stop = Annotated[str, Field(min_length=1)]


class Refused(Exception):
    """A request that can't be served.

    Args:
        status: the HTTP status.
        message: what to mend.
        code: the word that programs look at.
    """

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def body(self) -> dict[str, Any]:
        """The error as OpenAI shapes it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: str


class _Turn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part]
    name: str | None = None

    def message(self) -> Message:
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A request. What isn't named here is refused, so that nobody takes for done what was passed over."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    messages: list[_Turn] = Field(min_length=1, max_length=MOST_MESSAGES)
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    stop: _Stop | list[_Stop] | None = None
    seed: int | None = Field(None, ge=0, lt=2**32)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=_MOST_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=_MOST_TOKENS)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    n: Literal[1] | None = None
    user: str | None = None

    @field_validator("messages")
    @classmethod
    def _asks(cls, messages: list[_Turn]) -> list[_Turn]:
        if messages[-1].role != "user":
            raise ValueError("the last message must be a user's")
        return messages

    @property
    def turns(self) -> list[Message]:
        """The messages, a developer's being the system's."""
        return [turn.message() for turn in self.messages]

    @property
    def asked(self) -> dict[str, Any]:
        """The parameters that the reply is to have, as llama.cpp takes them."""
        found = {
            name: getattr(self, name)
            for name in ("stop", "seed", "temperature", "top_p", "presence_penalty", "frequency_penalty")
        }
        found["max_tokens"] = self.max_completion_tokens or self.max_tokens
        return {name: value for name, value in found.items() if value is not None}


def read(body: bytes) -> ChatRequest:
    """A request's body.

    Raises:
        Refused: it isn't a request that can be served; names the field.
    """
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise Refused(400, f"{where}: {first['msg']}") from error


class Answer:
    """A reply on its way to a client.

    Args:
        speaker: whose it is.
        chunks: its pieces.
        about: what is said of it in the field `empathic`; nothing, no field.
    """

    def __init__(self, speaker: Speaker, chunks: Iterable[Chunk], about: dict[str, Any] | None = None) -> None:
        self.speaker, self.chunks = speaker, chunks
        self.about: dict[str, Any] = {"empathic": about} if about else {}
        self.id, self.created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())

    def whole(self) -> dict[str, Any] | None:
        """The reply in one; None where it was broken off."""
        text = ""
        for chunk in self.chunks:
            text += chunk.text
            if chunk.finish:
                message = {"role": "assistant", "content": text}
                choice = {"index": 0, "message": message, "finish_reason": chunk.finish, "logprobs": None}
                return {**self._head("chat.completion"), "choices": [choice], **_cost(chunk), **self.about}
        return None

    def events(self, include_usage: bool) -> Iterator[bytes]:
        """The reply as server-sent events; timings come with its end, and on wish what it cost."""
        delta: dict[str, str] = {"role": "assistant", "content": ""}
        about = self.about  # in the first event alone
        for chunk in self.chunks:
            if chunk.text:
                yield self._event([_delta({**delta, "content": chunk.text})], **about)
                delta, about = {}, {}
            if chunk.finish:
                cost = _cost(chunk)
                yield self._event([_delta(delta, chunk.finish)], timings=cost["timings"], **about)
                if include_usage:
                    yield self._event([], usage=cost["usage"])
                yield b"data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return event({**self._head("chat.completion.chunk"), "choices": choices, **more})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.speaker.name}


def event(row: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"


def models(speakers: Iterable[Speaker]) -> list[dict[str, Any]]:
    """Who can be asked, and which file would answer."""
    return [
        {
            **{"id": one.name, "object": "model", "created": 0, "owned_by": "empathic"},
            **{"file": one.file, "gate": one.instead is not None},
        }
        for one in speakers
    ]


def refusal(error: BadMessage) -> Refused:
    """A message that can't be taken, as OpenAI says it."""
    return Refused(400, str(error), error.code)


def _delta(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}


def _cost(chunk: Chunk) -> dict[str, Any]:
    usage = {
        "prompt_tokens": chunk.prompt_tokens,
        "completion_tokens": chunk.reply_tokens,
        "total_tokens": chunk.prompt_tokens + chunk.reply_tokens,
    }
    return {"usage": usage, "timings": chunk.timings}
