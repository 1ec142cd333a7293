"""The part of Go's template language that Ollama's templates are written in, enough to render ours."""

from __future__ import annotations

import re
from typing import Any

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def render(template: str, system: str, messages: list[dict[str, str]]) -> str:
    """What Ollama makes of a conversation; it hands `messages` over with the instruction's among them."""
    parts = _ACTION.split(template)  # text, action, text, action, ... text
    text, rest = _block(parts, 0, {"System": system, "Messages": messages})
    assert rest == len(parts), "an end too many"
    return text


def _block(parts: list[str], at: int, dot: dict[str, Any]) -> tuple[str, int]:
    """Render up to the `end` or `else` that belongs to the caller; says where that is."""
    out = ""
    while at < len(parts):
        out += parts[at]
        if at + 1 == len(parts):
            return out, at + 1
        action = parts[at + 1].split()
        if action[0] in ("end", "else"):
            return out, at + 1
        if action[0] == "range":
            items, inner = dot[action[1][1:]], ""
            after = _block(parts, at + 2, {"Role": "", "Content": ""})[1]
            for item in items:
                inner += _block(parts, at + 2, {"Role": item["role"], "Content": item["content"]})[0]
            out, at = out + inner, after + 1
        elif action[0] == "if":
            text, at = _condition(parts, at + 1, dot)
            out += text
        else:
            out, at = out + str(dot[action[0][1:]]), at + 2
    return out, at


def _condition(parts: list[str], at: int, dot: dict[str, Any]) -> tuple[str, int]:
    """`if .X` or `if eq .X "y"`, with its `else if`s and its `else`; `at` is the action."""
    chosen: str | None = None
    while True:
        action = parts[at].split()
        text, at = _block(parts, at + 1, dot)
        if chosen is None and _holds(action, dot):
            chosen = text
        if parts[at].split()[0] == "end":
            return chosen or "", at + 1


def _holds(action: list[str], dot: dict[str, Any]) -> bool:
    if action == ["else"]:
        return True
    if "eq" in action:
        of, want = action[action.index("eq") + 1 :]
        return bool(dot[of[1:]] == want.strip('"'))
    return bool(dot[action[-1][1:]])
