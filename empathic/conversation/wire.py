"""The chat API's wire as OpenAI's clients speak it: what a request may hold, and what comes back."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from empathic.conversation.engine import Chunk
from empathic.conversation.messages import BadMessage, Message
from empathic.conversation.speaker import Speaker

MOST_MESSAGES = 400  # of a conversation; a context holds fewer
_SHOWN = 40  # characters of what was sent that are told back
_MOST_TOKENS = 100_000  # of a reply; llama.cpp counts in 32 bits
_UNSERVED_VERSION = 505  # the one status from 500 on that is the client's mistake
_WANTED = {  # pydantic's names of what is wrong with a field, and what is wanted there
    "string_type": "want a text",
    "bool_type": "want true or false",
    "bool_parsing": "want true or false",
    "int_type": "want a whole number",
    "int_from_float": "want a whole number",
    "float_type": "want a number",
    "model_type": "want an object",
    "string_too_short": "want at least one character",
    "greater_than": "want more than {gt:.10g}",
    "greater_than_equal": "want at least {ge:.10g}",
    "less_than": "want less than {lt:.10g}",
    "less_than_equal": "want at most {le:.10g}",
    "too_short": "want at least {min_length}",
    "too_long": "want at most {max_length}",
    "literal_error": "want {expected}",
    "value_error": "{error}",
}
_LISTS = {
    "messages": "want a list of messages",
    "content": "want a text, or a list of text parts",
    "stop": "want a text, or a list of texts",
}


class Refused(Exception):
    """A request that can't be served.

    Args:
        status: the HTTP status.
        message: what to mend.
        code: the word that programs look at.
        param: the field of the request that it is about.
        headers: what else the answer's head is to say.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.headers = status, code, param, headers or {}

    def body(self) -> dict[str, Any]:
        """The error as OpenAI shapes it."""
        kind = "invalid_request_error" if self.status < 500 or self.status == _UNSERVED_VERSION else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def _texts(said: Any) -> Any:
    """One text as a list of one."""
    return [said] if isinstance(said, str) else said


def _parts(said: Any) -> Any:
    """A text as the one part of a message."""
    return [{"type": "text", "text": said}] if isinstance(said, str) else said


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: str


class _Turn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[_Part], Field(fail_fast=True), BeforeValidator(_parts)]
    name: str | None = None

    def message(self) -> Message:
        text = "".join(part.text for part in self.content)
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
    stop: Annotated[list[Annotated[str, Field(min_length=1)]] | None, BeforeValidator(_texts)] = None
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
        first = error.errors(include_url=False)[0]
        raise Refused(400, _sentence(first), param=str(first["loc"][0]) if first["loc"] else None) from error


def _sentence(error: ErrorDetails) -> str:
    """What is wrong with a field, and what is wanted there."""
    kind, context, loc = error["type"], error.get("ctx", {}), error["loc"]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".") or "the body"
    if kind == "json_invalid":
        place = re.search(r"line \d+ column \d+", error["msg"])
        return "the body is no JSON that can be read" + (f", from {place[0]} on" if place else "")
    if kind == "missing":
        return f"{where} is missing"
    if kind == "extra_forbidden":
        return f"{where} isn't taken here; leave it out"
    if kind == "literal_error" and loc[-1] == "type" and isinstance(error["input"], str):
        return f"{where.removesuffix('.type')}: only text parts are taken, not {error['input'][:_SHOWN]!r}"
    wanted = _LISTS.get(str(loc[-1])) if kind == "list_type" else _WANTED.get(kind)
    return f"{where}: {(wanted or 'this can not be taken').format(**context)}"


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
    return Refused(400, str(error), error.code, "messages")


def _delta(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}


def _cost(chunk: Chunk) -> dict[str, Any]:
    usage = {
        "prompt_tokens": chunk.prompt_tokens,
        "completion_tokens": chunk.reply_tokens,
        "total_tokens": chunk.prompt_tokens + chunk.reply_tokens,
    }
    return {"usage": usage, "timings": chunk.timings}
