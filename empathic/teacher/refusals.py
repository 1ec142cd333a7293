"""What a teacher says in the place of a reply: it refuses, speaks of itself as a model, or talks about the task.

The words are a list by language, `data/refusals.yaml`; every list is looked through whatever the language is, since a
teacher may refuse in another one than it is asked in.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

REFUSES, MODEL, TASK = "refuses", "speaks of itself as a model", "talks about the task"
_UNSPACED = ("zh", "ja", "ko", "ar")  # languages whose words have no border, or carry others in front of them
_GAP = r"[^.!?。！？\n]{0,40}?"  # noqa: RUF001
_QUOTED = re.compile(r'["“«„「『][^"“”«»„」』]*["”»“」』]')


def fault(text: str) -> str:
    """Why a text is no reply: it refuses, speaks of itself as a model, or talks about the task; "" where it is one."""
    folded = text.replace("\u2019", "'").replace("\u02bc", "'").strip().casefold()
    spoken = _QUOTED.sub('"', folded)  # what others said may be quoted, "I can't help you" too
    for why, patterns in _patterns().items():
        if any(pattern.search(folded if why == TASK else spoken) for pattern in patterns):
            return why
    return ""


@cache
def _patterns() -> dict[str, list[re.Pattern[str]]]:
    import yaml

    listed = yaml.safe_load((resources.files("empathic") / "data" / "refusals.yaml").read_text(encoding="utf-8"))
    found: dict[str, list[re.Pattern[str]]] = {MODEL: [], REFUSES: [], TASK: []}
    for language, words in listed.items():
        border = "" if language in _UNSPACED else r"\b"
        found[MODEL].append(_joined(words["as"], words["model"], border, r"\s?" if not border else r"\s+"))
        cannot, do = words["refuses"]
        found[REFUSES].append(_joined(cannot, do, border, rf"{border}{_GAP}{border}"))
        found[REFUSES] += [re.compile(phrase) for phrase in words["says"]]
        found[TASK] += [re.compile(phrase) for phrase in words.get("task", ())]
    return found


def _joined(first: Any, last: Any, border: str, between: str) -> re.Pattern[str]:
    return re.compile(rf"{border}(?:{'|'.join(first)}){between}(?:{'|'.join(last)})")
