"""llama.cpp in this process: a GGUF file, with or without an adapter, that answers several conversations at a time.

It is reached over its own HTTP server on loopback, because closing a connection is the one way to stop a reply that it
hasn't begun yet. A key that nobody else knows keeps other programs of this computer, and pages in a browser, out.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from empathic.conversation.messages import BadMessage, Message
from empathic.conversation.slots import Slots
from empathic.endpoints import llama_cpp

WINDOW = 4096  # tokens of a conversation at most: some thirty exchanges, 115 MB of cache for Qwen2.5-1.5B
_BATCH = 64  # tokens read between two looks at whether the reply is still wanted
_PROMPT_CACHE = 256  # MiB for the prompts of conversations that no slot holds any more
_LINES = 128  # requests that llama.cpp hears at a time: by its default two more than slots, and counting tokens waits
_SHORT = 2000  # characters of a message whose length is remembered: all that are remembered take some MB


@dataclass(frozen=True)
class Chunk:
    """A piece of a reply.

    The last has `finish`, "stop" or "length", and with it `prompt_tokens`, `reply_tokens` and `timings`, llama.cpp's.
    """

    text: str = ""
    finish: str | None = None
    prompt_tokens: int = 0
    reply_tokens: int = 0
    timings: dict[str, float] = field(default_factory=dict)


class EngineFailed(Exception):
    """The engine gave no answer; says what it said."""


class Engine:
    """A GGUF file in llama.cpp.

    Args:
        path: the file.
        slots: how many replies are written at a time; others wait.
        adapter: a LoRA adapter's GGUF file to put on it; each reply says at which scale.

    Attributes:
        window: tokens that a conversation may have, its reply included.

    Raises:
        UserError: llama.cpp can't read a file.
    """

    def __init__(self, path: Path, slots: int, adapter: Path | None = None) -> None:
        settings: dict[str, Any] = {}
        if adapter is not None:
            import xllamacpp

            settings["lora_adapters"] = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        self.path, self.adapter = path, adapter
        self._slots = Slots()
        self._key = secrets.token_hex(16)
        self._server = llama_cpp.load(
            path,
            len(os.sched_getaffinity(0)),
            n_parallel=slots,
            n_ctx=slots * WINDOW,
            n_batch=_BATCH,
            n_ubatch=_BATCH,
            cache_ram_mib=_PROMPT_CACHE,
            n_threads_http=_LINES,
            api_keys=[self._key],
            ui=False,
            **settings,
        )
        self._address = urlsplit(self._server.listening_address)
        self.window: int = self._asked("GET", "/props")["default_generation_settings"]["n_ctx"]
        self._remembered = lru_cache(maxsize=4096)(self._tokens_of)
        self._around = self._tokens_around()

    def close(self) -> None:
        """Let llama.cpp and its memory go."""
        self._server = None

    def tokens(self, messages: list[Message]) -> int:
        """How many tokens the prompt of a conversation has, exactly.

        Raises:
            BadMessage: the model's chat template can't put the messages into a prompt.
        """
        return self._tokens_of(self._asked("POST", "/apply-template", {"messages": messages})["prompt"], True)

    def length(self, message: Message) -> int:
        """How many tokens a message adds to a prompt, the template's around it included; at most one too many."""
        return self._length(message["content"]) + self._around

    def stream(self, body: Callable[[], dict[str, Any]], own: range = range(0)) -> Stream:
        """The reply to a request of the chat API, as it comes.

        Args:
            body: makes the request once the reply is read.
            own: the slots that may write it, of which the request's `id_slot` is the first choice; none for any.
        """
        return Stream(self._connection(), body, self._key, self._slots, own)

    def _length(self, text: str) -> int:
        return self._remembered(text) if len(text) <= _SHORT else self._tokens_of(text)

    def _tokens_of(self, text: str, special: bool = False) -> int:
        asked = {"content": text, "add_special": special, "parse_special": special}
        return len(self._asked("POST", "/tokenize", asked)["tokens"])

    def _tokens_around(self) -> int:
        """What the template puts around a message, in tokens."""
        one = [{"role": "user", "content": "a"}]
        three = [*one, {"role": "assistant", "content": "a"}, *one]
        return math.ceil((self.tokens(three) - self.tokens(one)) / 2) - self._length("a")

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address.hostname or "127.0.0.1", self._address.port)

    def _asked(self, method: str, path: str, body: Any = None) -> Any:
        connection = self._connection()
        try:
            connection.request(method, path, json.dumps(body) if body else None, _headers(self._key))
            return _found(connection.getresponse())
        finally:
            connection.close()


class Stream:
    """A reply as it is written. Closing it, from any thread and at any time, ends it and frees its slot."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        body: Callable[[], dict[str, Any]],
        key: str,
        slots: Slots,
        own: range,
    ) -> None:
        self._connection, self._body, self._key = connection, body, key
        self._slots, self._own = slots, own
        self._socket: socket.socket | None = None
        self._lock, self._closed = threading.Lock(), False

    def __iter__(self) -> Iterator[Chunk]:
        """The pieces in their order; fewer, without a last one, where the stream is closed.

        Raises:
            BadMessage: the engine refuses the request.
            EngineFailed: the engine breaks off.
        """
        try:
            body = self._body()
            if not self._own:
                yield from self._written(body)
                return
            with self._slots.one_of(self._own, body["id_slot"], lambda: self._closed) as slot:
                yield from self._written({**body, "id_slot": slot})
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not self._closed:
                raise EngineFailed(f"the reply broke off ({error})") from error
        finally:
            self.close()
            self._connection.close()

    def _written(self, body: dict[str, Any]) -> Iterator[Chunk]:
        # Told to report on reading the prompt, llama.cpp notices meanwhile that nobody listens any more.
        more = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        with self._lock:
            if self._closed:
                return
            self._connection.connect()
            self._socket = self._connection.sock
        self._connection.request("POST", "/v1/chat/completions", json.dumps({**body, **more}), _headers(self._key))
        response = self._connection.getresponse()
        if response.status != 200:
            _found(response)
        yield from _chunks(response)

    def close(self) -> None:
        """End the reply."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads


def _headers(key: str) -> dict[str, str]:
    return {"content-type": "application/json", "authorization": f"Bearer {key}"}


def _found(response: http.client.HTTPResponse) -> Any:
    said = json.loads(response.read())
    if response.status == 200:
        return said
    why = " ".join(str(said.get("error", {}).get("message", said)).split())
    raise BadMessage(why) if response.status == 400 else EngineFailed(why)


def _chunks(lines: http.client.HTTPResponse) -> Iterator[Chunk]:
    """llama.cpp's events as pieces; why it ended comes an event before what it cost."""
    finish = None
    for line in lines:
        if not line.startswith((b"data: {", b"error: {")):
            continue
        said = json.loads(line.split(b": ", 1)[1])
        if error := said.get("error", {} if line.startswith(b"data") else said):
            raise EngineFailed(" ".join(str(error.get("message", error)).split()))
        for choice in said.get("choices", []):
            finish = choice["finish_reason"] or finish
            if text := choice["delta"].get("content"):
                yield Chunk(text)
        if finish and (usage := said.get("usage")):
            timings = said.get("timings", {})
            yield Chunk("", finish, usage["prompt_tokens"], usage["completion_tokens"], timings)
