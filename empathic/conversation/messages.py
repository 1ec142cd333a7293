"""What may be said to a model, and what of its words may be shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from empathic.errors import UserError

Message = dict[str, str]

# What shows nothing: Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and white space.
_SHOWN = re.compile(
    r"[^\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class BadMessage(UserError):
    """A message that can't be taken; says what to mend. `code` is OpenAI's word for it, where there is one."""

    code: str | None = None


class TooLong(BadMessage):
    """A message that the model's context can't hold."""

    code = "context_length_exceeded"


def checked(turns: Iterable[Message]) -> list[Message]:
    """The turns as a model gets them: line ends as in training, nothing else changed.

    Raises:
        BadMessage: a person's message is empty or shows nothing, or one that isn't the model's own holds control
            characters or halves of surrogate pairs.
    """
    found = []
    for turn in turns:
        text = turn["content"].replace("\r\n", "\n").replace("\r", "\n")
        if turn["role"] == "assistant":
            text = printable(text)  # a model may say such a thing; its next turn isn't refused for it
        if turn["role"] == "user" and not _SHOWN.search(text):
            raise BadMessage("the message is empty; write something")
        if bad := next(_unprintable(text), None):
            raise BadMessage(f"the message holds a control character (U+{ord(bad):04X}); leave it out")
        found.append({"role": turn["role"], "content": text})
    return found


def printable(text: str) -> str:
    """A model's words without what would steer a terminal."""
    unwanted = {*_unprintable(text)}
    return "".join(char for char in text if char not in unwanted)


def _unprintable(text: str) -> Iterator[str]:
    return (char for char in text if char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cs"))
