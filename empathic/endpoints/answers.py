"""What servers that speak the chat API send back, in all the shapes that they do, and the answer in it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from empathic.endpoints.chat_api import Answer, InvalidResponse
from empathic.endpoints.visible import visible

THOUGHT_TOO_LONG = "the model thinks first, and its thoughts took all the tokens that it may write"
Tokens = tuple[int, int]  # read, written
_FILTERED = {"content_filter", "safety", "sensitive", "prohibited_content", "blocklist", "recitation", "spii"}
_CUT = {"length", "max_tokens", "max_output_tokens", "model_length"}
_PARAMETER = re.compile(
    r"(?:unsupported|unknown|unrecogni[sz]ed|invalid|unexpected|extra) (?:\w+ )?"
    r"(?:parameter|argument|field|name|input)|not (?:supported|permitted|allowed)",
    re.I,
)
_BROKE_OFF = {"error", "incomplete", "insufficient_system_resource", "abort", "cancelled", "timeout"}


class NoAnswer(InvalidResponse):
    """A reply that holds no answer; `tokens` were read and written for it all the same.

    `text` is what was said in it, None where it is no reply at all.
    """

    def __init__(self, why: str, tokens: Tokens = (0, 0), text: str | None = None) -> None:
        super().__init__(why)
        self.tokens, self.text = tokens, text


class Filtered(NoAnswer):
    """A filter of the server's stopped the answer."""


class ThoughtTooLong(NoAnswer):
    """The model's thoughts took all the tokens that it had for an answer."""


class ErrorReply(Exception):
    """An error that came as if it were an answer (status 200), with the status that it names."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class WebPage(Exception):
    """A page for people, where an answer was to be."""


def load(text: str) -> Any:
    """The JSON value of a reply's body, that of a stream put together.

    Raises:
        NoAnswer: it is none.
        WebPage: it is HTML.
    """
    try:
        if re.match(r"\s*(?:data|event|id|retry|):", text):
            return joined(text)
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if re.match(r"\s*<(?:!doctype|html)", text, re.I):
            raise WebPage from error
        raise NoAnswer("the answer was garbled") from error


def joined(stream: str) -> dict[str, Any]:
    """The reply that a stream of server-sent events adds up to; one that says nowhere that it is over was cut.

    Raises:
        ValueError: an event is no JSON.
    """
    choice: dict[str, Any] = {"message": (message := {"content": "", "reasoning": ""}), "logprobs": None}
    whole: dict[str, Any] = {"choices": [choice]}
    done = False
    for line in re.split(r"\r\n?|\n", stream):  # U+2028 and U+0085 end no line of JSON
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data in ("", "[DONE]"):
            done = done or bool(data == "[DONE]")
            continue
        chunk = json.loads(data)
        if not isinstance(chunk, dict):
            continue
        whole |= {key: chunk[key] for key in ("usage", "error") if chunk.get(key)}
        part = _dict(_first(chunk.get("choices")))
        delta = _dict(part.get("delta") or part.get("message"))
        message["content"] += _words(delta.get("content")) or _words(part.get("text"))
        message["reasoning"] += _words(delta.get("reasoning_content") or delta.get("reasoning"))
        choice |= {key: part[key] for key in ("finish_reason",) if part.get(key)}
        found = _dict(part.get("logprobs"))
        if choice["logprobs"] is None and (_first(found.get("content")) or _first(found.get("top_logprobs"))):
            choice["logprobs"] = found
    if not done:
        choice.setdefault("finish_reason", "incomplete")
    return whole


def read(body: Any, scored: bool = False, verbatim: bool = False) -> tuple[Answer, Tokens]:
    """The answer in a reply, and the tokens read and written for it, (0, 0) where the server doesn't say.

    Args:
        body: any JSON value.
        scored: whether the first token's log-probabilities are wanted.
        verbatim: whether the server takes thoughts and marks off by itself, so that what is left is what people see.

    Raises:
        ErrorReply: it says that something went wrong.
        NoAnswer: it holds no answer: garbled, stopped by a filter, thoughts alone, or a call of a tool.
    """
    choice = _dict(_first(_dict(body).get("choices")))
    if error := _dict(body).get("error") or choice.get("error"):
        raise ErrorReply(_status_of(error), body if _dict(body).get("error") else {"error": error})
    message = _dict(choice.get("message"))
    if not message and not isinstance(choice.get("text"), str):
        raise NoAnswer("the answer was garbled")
    tokens, spent = _usage(_dict(body).get("usage"))
    parts = _Parts()
    parts.add(message.get("content") if message else choice["text"])
    said = _printable(parts.text or _words(message.get("refusal")))
    text, thought = (said.strip(), False) if verbatim else visible(said)
    thought = thought or bool(parts.thought or spent or _words(_thoughts(message)).strip())
    finish = str(choice.get("finish_reason") or "stop").lower()
    if finish in _FILTERED:
        raise Filtered(f"the server's filter stopped the answer ({finish})", tokens, said)
    if finish in _BROKE_OFF:
        raise NoAnswer(f"the server broke off ({finish})", tokens, said)
    if not text and (message.get("tool_calls") or message.get("function_call")):
        raise NoAnswer("the model called a tool instead of answering", tokens, said)
    alone = thought and not text
    if alone and finish in _CUT and not scored and not verbatim:
        raise ThoughtTooLong(THOUGHT_TOO_LONG, tokens, said)
    logprobs = _logprobs(choice.get("logprobs")) if scored and not alone else {}
    return Answer(text, "length" if finish in _CUT else "stop", logprobs), tokens


@dataclass
class _Parts:
    """A message's content: a string, or a list of parts, some of which are thoughts."""

    text: str = ""
    thought: bool = False

    def add(self, content: Any) -> None:
        """Add a string, a part, or a list of them."""
        if isinstance(content, str):
            self.text += content
        elif isinstance(content, list):
            for part in content:
                if not isinstance(part, list):
                    self.add(part)
        elif isinstance(content, dict):
            if re.search(r"think|thought|reason", str(content.get("type"))) or content.get("thought") is True:
                self.thought = True
            else:
                self.text += _words(content.get("text")) or _words(content.get("content"))


def _thoughts(message: dict[str, Any]) -> Any:
    return next((message[key] for key in ("reasoning_content", "reasoning", "thinking") if message.get(key)), None)


def _words(value: Any) -> str:
    """The words of a content that is a string or has parts that are."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = _Parts()
        parts.add(value)
        return parts.text
    return value["value"] if isinstance(value, dict) and isinstance(value.get("value"), str) else ""


def _printable(text: str) -> str:
    """Text without what no file can hold: half of a surrogate pair, and the null character."""
    return re.sub("[\ud800-\udfff\0]", "", text)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _status_of(error: Any) -> int:
    """The status that an error names; 500, which is asked again, where it names none."""
    named = _dict(error)
    for value in (named.get("code"), named.get("status"), named.get("http_code")):
        if str(value).isdecimal() and 400 <= int(str(value)[:4]) < 600:
            return int(str(value))
    kind = f"{named.get('type')} {named.get('code')}"
    words = error if isinstance(error, str) else str(named.get("message"))
    return 429 if "rate_limit" in kind else 400 if "invalid" in kind or _PARAMETER.search(words) else 500


def _usage(usage: Any) -> tuple[Tokens, bool]:
    """Tokens read and written, whatever of them a server counts, and whether some of them were thoughts."""
    counts = _dict(usage)
    names = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"), ("total_tokens",))
    read, written, total = (max((_whole(counts.get(name)) for name in of), default=0) for of in names)
    details = _dict(counts.get("completion_tokens_details"))
    spent = max(_whole(details.get("reasoning_tokens")), _whole(counts.get("reasoning_tokens"))) > 0
    return (read or max(0, total - written), written or (max(0, total - read) if read else 0)), spent


def _whole(value: Any) -> int:
    """A count, of whatever type; 0 where it is none."""
    try:
        return max(0, min(int(float(value)), 10**9))
    except (TypeError, ValueError, OverflowError):
        return 0


def _logprobs(logprobs: Any) -> dict[str, float]:
    """The first token's log-probabilities by token, in the shape of chats or that of completions."""
    of = _dict(logprobs)
    first = _dict(_first(of.get("content"))).get("top_logprobs")
    pairs: list[tuple[Any, Any]] = [(one.get("token"), one.get("logprob")) for one in map(_dict, _list(first))]
    pairs += _dict(_first(of.get("top_logprobs"))).items()
    return {
        _printable(token): float(value)
        for token, value in pairs
        if isinstance(token, str) and isinstance(value, int | float) and math.isfinite(value)
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
