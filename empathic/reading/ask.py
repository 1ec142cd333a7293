"""The measure `reading`: an endpoint reads replies by the same rubric, one call a reply, and its readings are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from empathic.endpoints.chat_api import Answer, Request
from empathic.endpoints.client import ask
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.reading import rubric
from empathic.reading.readings import Reading
from empathic.reading.replies import ToRead
from empathic.reading.rubric import NAMES, Grades

_TOKENS = 64  # of an answer: JSON with four keys, and a fence around it
_FOUR = re.compile(r"\s*[012][\s,;/]+[012][\s,;/]+[012][\s,;/]+(?:y|n|yes|no)\b", re.I)


def request(one: ToRead) -> Request:
    """What is asked of one reply. Message and reply come as JSON, so that no text of theirs can pass for an order."""
    shown = json.dumps({"message": one.message, "reply": one.reply.strip() or "(nothing)"}, ensure_ascii=False)
    told = f"{rubric.prompt('rubric')}\n{rubric.prompt('ask').strip()}"
    return Request([{"role": "system", "content": told}, {"role": "user", "content": shown}], max_tokens=_TOKENS)


def grades(answer: Answer) -> Grades | None:
    """The grades of an answer, which gives four tokens first or is a JSON object; None where it is of no use."""
    try:
        if found := _FOUR.match(answer.text):
            return rubric.grades(re.split(r"[\s,;/]+", found[0].strip()))
        if braced := re.search(r"\{[^{}]*\}", answer.text):
            given = {str(key).lower(): value for key, value in json.loads(braced[0]).items()}
            return rubric.grades([given.get(name) for name in NAMES])
    except ValueError:
        pass
    return None


def read(
    endpoint: Endpoint,
    replies: Sequence[ToRead],
    reader: str,
    ledger: Ledger,
    advance: Callable[[], None] = lambda: None,
) -> tuple[list[Reading], int]:
    """An endpoint's readings, and how many of its answers were of no use.

    Args:
        endpoint: a server that is up.
        replies: what it is to read.
        reader: the name that it reads under.
        ledger: where answers are kept; those that are there aren't asked for again.
        advance: called once for every answer.

    Raises:
        UserError: no answer is of use, or a request can't be answered.
    """
    answers = ask(endpoint, (request(one) for one in replies), ledger, "reading", advance)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    found = [
        Reading(
            system=one.system,
            id=one.id,
            utterance=one.utterance,
            reply=one.reply,
            grades=given,
            reader=reader,
            kind="model",
            when=when,
            rubric=rubric.version(),
            set=one.set,
        )
        for one, answer in zip(replies, answers, strict=True)
        if (given := grades(answer))
    ]
    if not found:
        raise UserError(f"{endpoint.identity}: none of its {len(replies)} answers gave four grades; ask a larger model")
    return found, len(replies) - len(found)
