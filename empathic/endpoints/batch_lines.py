"""The lines of a batch: requests as OpenAI has them, and results as OpenAI, vLLM and other hosts write them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from empathic.endpoints.answers import ErrorReply, NoAnswer, Tokens, read
from empathic.endpoints.chat_api import Answer
from empathic.endpoints.refusals import refusal

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000  # of one file, OpenAI's limits
PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Result:
    """What a line brought.

    Attributes:
        id: its `custom_id`.
        answer: None where there is none.
        why: there is none; "" where there is.
        tokens: read and written by the server's count.
        text: what was written, of use or not; None where nothing was.
        live: whether it was asked like any question, at the full price, and only written as a batch's.
    """

    id: str
    answer: Answer | None
    why: str
    tokens: Tokens
    text: str | None
    live: bool = False


def request_line(id: str, asked: dict[str, Any]) -> bytes:
    """A request with its line end."""
    line = {"custom_id": id, "method": "POST", "url": PATH, "body": asked}
    return (json.dumps(line, ensure_ascii=False) + "\n").encode()


def parts(lines: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
    """Lines in as few parts as may each be one file; each part is to be read before the next."""
    part = count = size = 0

    def place(line: bytes) -> int:
        nonlocal part, count, size
        if count == MOST_REQUESTS or (count and size + len(line) > MOST_BYTES):
            part, count, size = part + 1, 0, 0
        count, size = count + 1, size + len(line)
        return part

    return (group for _, group in itertools.groupby(lines, place))


def result(row: dict[str, Any], key: str = "") -> Result:
    """What a line of results brought: its answer, or the server's words where there is none.

    Args:
        row: the line, with `custom_id`; our own `live` says that no batch's price was paid.
        key: what is not to be shown, though the server does.
    """
    return replace(_result(row, key), live=row.get("live") is True)


def _result(row: dict[str, Any], key: str) -> Result:
    response = row["response"] if isinstance(row.get("response"), dict) else {}
    status, found = response.get("status_code"), response.get("body")
    try:
        if status != 200:
            raise ErrorReply(status if isinstance(status, int) else 0, found or row.get("error"))
        answer, tokens = read(found)
    except ErrorReply as error:
        said = refusal(error.status, error.body, key)
        why = f"the server answered {error.status or 'nothing'}" + (f" ({said.said})" if said.said else "")
        return Result(row["custom_id"], None, why, (0, 0), None)
    except NoAnswer as error:
        return Result(row["custom_id"], None, str(error), error.tokens, error.text)
    return Result(row["custom_id"], answer, "", tokens, answer.text)
