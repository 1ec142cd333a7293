"""Rows as others shape them (chats, instructions, preferences) in our columns, read without help."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
REPLY = "assistant"  # the origin of a reply that a row names no other for
CHATS = ("messages", "conversations", "conversation", "dialogue", "dialog")
BESIDE = "input"  # Alpaca's column beside an instruction, part of the message
_USER = {"user", "human", "prompter", "speaker", "seeker"}
_REPLIER = {"assistant", "gpt", "chatgpt", "bot", "model", "listener", "supporter", "bard", "bing", "ai"}
_MESSAGE = ("prompt", "instruction", "question", "input")  # columns of a message, the likelier first
ANSWERS = ("completion", "output", "response", "answer", "reply")
_TEXT = "text"  # a message where an answer stands beside it; alone it may be anything
FIELDS = ("id", "emotion", "situation", "utterance", "split")
REPLIES = "replies"  # a column of replies by their origins
_SPOKEN = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")


@dataclass(frozen=True)
class Chat:
    """The first exchange of a conversation.

    Attributes:
        message: what the person says first; "" where only the reply is there.
        reply: what is answered to that, or "".
        more: whether the conversation goes on.
    """

    message: str
    reply: str
    more: bool


def chat(value: Any) -> Chat | None:
    """A value as a conversation, or None where it is none.

    Read are lists of `role`/`content` and ShareGPT's `from`/`value`, the same as JSON or as a mapping of lists, and
    texts with `Human:` and `Assistant:` before each turn. System turns are left out, as is
    what stands before the first message.
    """
    if (turns := _turns(value)) is None:
        return None
    turns = [(who, text) for who, text in turns if text and (who in _USER or who in _REPLIER)]
    begins = next((i for i, (who, _) in enumerate(turns) if who in _USER), 0)
    ends = next((i for i in range(begins, len(turns)) if turns[i][0] in _REPLIER), len(turns))
    message = "\n".join(text for _, text in turns[begins:ends])
    return Chat(message, turns[ends][1] if ends < len(turns) else "", ends + 1 < len(turns))


def _turns(value: Any) -> list[tuple[str, str]] | None:
    if isinstance(value, str):
        if value.startswith("\n\nHuman:"):
            parts = _SPOKEN.split(value)[1:]
            return [(who.lower(), text.strip()) for who, text in zip(parts[::2], parts[1::2], strict=True)]
        if not re.match(r'\[\s*\{\s*"(?:role|from|content|value)"', value):
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, Mapping) and value and all(isinstance(column, list) for column in value.values()):
        value = [dict(zip(value, turn, strict=False)) for turn in zip(*value.values(), strict=False)]
    if not isinstance(value, list) or not value or not all(isinstance(turn, Mapping) for turn in value):
        return None
    found = []
    for turn in value:
        who, said = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if not isinstance(who, str):
            return None
        found.append((who.strip().lower(), _said(said)))
    return found


def _said(content: Any) -> str:
    """The text of a turn: a text, or parts of which some are."""
    if isinstance(content, list):
        content = "\n".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return content.strip() if isinstance(content, str) else ""


def guessed(names: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, str]:
    """Field -> column, as far as names are known (small letters or capitals) and nothing is said.

    Args:
        names: the table's columns, with the values of a row where there is one.
        columns: what the recipe says of them, which stands.
    """
    known = {str(name).strip().lower(): str(name) for name in reversed(list(names))} | {
        str(name): str(name) for name in names
    }
    said = {field: known[field] for field in (*FIELDS, REPLIES) if known.get(field, field) != field}
    for name in map(str, names):
        kind, _, origin = name.strip().partition(".")
        if origin and kind.lower() in ("reply", "rating") and name != (field := f"{kind.lower()}.{origin}"):
            said[field] = name
    ours = REPLIES in known or any(name.startswith("reply.") for name in known)
    if not ours:
        said |= _shape(names, known, columns)
    return {field: column for field, column in said.items() if field not in columns}


def _shape(names: Mapping[str, Any], known: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, str]:
    """The message and the replies of a table whose replies go by none of our names.

    Args:
        names: column -> value, None where it isn't known.
        known: names in small letters -> columns.
        columns: what the recipe says of them.
    """
    replied = any(field.startswith("reply.") for field in columns)
    free = {name: column for name, column in known.items() if column not in columns.values()}
    answers = [free[name] for name in ANSWERS if name in free and not replied and _may_be_said(names[free[name]])]
    messages = [known[name] for name in (*_MESSAGE, *([_TEXT] if answers else ())) if name in known]
    said: dict[str, str] = {}
    if "utterance" in columns:
        answers = [] if columns["utterance"].lower() in CHATS else answers
    elif "utterance" in known:
        pass
    elif chats := [known[name] for name in CHATS if name in known]:
        said, answers = {"utterance": chats[0]}, []
    elif messages:
        said = {"utterance": messages[0]}
    elif "chosen" in known:
        said = {"utterance": known["chosen"]}
    else:
        return {}
    if {"chosen", "rejected"} <= free.keys():
        return said | {"reply.chosen": free["chosen"], "reply.rejected": free["rejected"]}
    return said | ({f"reply.{REPLY}": answers[0]} if answers else {})


def _may_be_said(value: Any) -> bool:
    return value is None or isinstance(value, str) or chat(value) is not None


def opened(row: Row, columns: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Field -> plain text where a row holds conversations, and whether any of them goes on.

    Args:
        row: one of a table.
        columns: field -> column, of which the utterance and replies are looked at.
    """
    plain: dict[str, str] = {}
    more = False
    column = columns.get("utterance", "utterance")
    said = chat(row.get(column))
    if said:
        plain["utterance"], more = said.message, said.more
        if said.reply and not any(field.startswith("reply.") for field in columns):
            plain[f"reply.{REPLY}"] = said.reply
    elif column.lower() == "instruction" and (given := _beside(row)):
        plain["utterance"] = f"{row.get(column) or ''}\n{given}"
    for field, name in columns.items():
        if field.startswith("reply.") and (answer := chat(row.get(name))):
            plain[field], more = answer.reply, more or answer.more
    return plain, more


def _beside(row: Row) -> str:
    """What an instruction is about, or ""."""
    found = (value for name, value in row.items() if str(name).lower() == BESIDE)
    return next((value for value in found if isinstance(value, str) and value.strip()), "")
