"""What a teacher says in the place of a reply: it refuses, speaks of itself as a model, or talks about the task.

A text is weighed by its runs of characters, `data/refusal_weights.json`, which `benchmarks/refusal_weights.py` fits,
and weighs more where a rule knows it: a list by language, `data/refusals.yaml`. Every list is looked through whatever
the language is, since a teacher may refuse in another one than it is asked in. Rules of no language, such as for errors
in JSON, and those for speaking of itself as a model, which no kind reply has met, decide alone.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

REFUSES, MODEL, TASK = "refuses", "speaks of itself as a model", "talks about the task"
RULE = 2.0  # what a rule adds: chosen on written texts that the weights had not seen; fitted it is 4, since the rules
# were written on half of these
_KINDS = {"model": MODEL, "refuses": REFUSES, "task": TASK}
_UNSPACED = ("zh", "ja", "ko", "ar")  # languages whose words have no border, or carry others in front of them
_GAP = r"[^.!?。！？\n]{0,40}?"  # noqa: RUF001
_WIDE_GAP = r"[^.!?。！？।۔؟\n]{0,60}?"  # noqa: RUF001
_QUOTED = re.compile(r'["“«„「『][^"“”«»„」』]*["”»“」』]')
_SPELLINGS = str.maketrans(
    {"\u2019": "'", "\u02bc": "'", "\u0649": "\u064a", "\u0901": "\u0902", "\u06d4": "\u0964"}
    | dict.fromkeys("\u0622\u0623\u0625\u0671", "\u0627")
    | dict.fromkeys(map(chr, (0x093C, 0x09BC, 0x0640, 0x200C, 0x200D, *range(0x064B, 0x0653))), "")
)


def fault(text: str) -> str:
    """Why a text is no reply: it refuses, speaks of itself as a model, or talks about the task; "" where it is one."""
    why, alone = by_rule(text)
    if alone:
        return why
    line, weights = _weights()
    return (why or REFUSES) if score(runs(text), bool(why), weights) > line else ""


def by_rule(text: str) -> tuple[str, bool]:
    """What the rules say of a text, "" for nothing, and whether they decide it alone."""
    folded, spoken = _heard(text)
    for (alone, why), patterns in _patterns().items():
        if any(pattern.search(folded if why == TASK else spoken) for pattern in patterns):
            return why, alone
    return "", False


def runs(text: str) -> set[str]:
    """The runs of two to five characters in what a text itself says, how it begins and ends, and how long it is."""
    said = " ".join(_heard(text)[1].split())
    spoken = f" {said} "
    found = {spoken[start : start + size] for size in range(2, 6) for start in range(len(spoken) - size + 1)}
    begins, ends = {f"^{said[:size]}" for size in (4, 8, 12)}, {f"{said[-size:]}$" for size in (4, 8)}
    return found | begins | ends | {f"#{min(8, len(said) // 30)}"}


def score(found: set[str], ruled: bool, weights: Mapping[str, float]) -> float:
    """The logarithm of the odds that a text with these runs is no reply.

    Args:
        found: its runs.
        ruled: whether a rule knows it.
        weights: of runs, and of "" for all texts.
    """
    known = [weights[run] for run in found if run in weights]
    return weights[""] + ruled * RULE + math.fsum(known) / math.sqrt(max(1, len(known)))


def _heard(text: str) -> tuple[str, str]:
    """A text folded, and without what it quotes: others may have said "I can't help you"."""
    folded = fold(text.strip().casefold())
    spoken = folded if folded.startswith(("{", "[")) else _QUOTED.sub('"', folded)
    return folded, spoken if re.search(r"\w", spoken) else folded


def fold(text: str) -> str:
    """A text without the differences of spelling that mean nothing here."""
    return unicodedata.normalize("NFC", text).translate(_SPELLINGS)


@cache
def _weights() -> tuple[float, dict[str, float]]:
    kept = json.loads((resources.files("empathic") / "data" / "refusal_weights.json").read_text(encoding="utf-8"))
    return kept["line"], kept["weights"]


@cache
def _patterns() -> dict[tuple[bool, str], list[re.Pattern[str]]]:
    """Rules by whether they decide alone, and why a text that they know is no reply."""
    import yaml

    listed = yaml.safe_load((resources.files("empathic") / "data" / "refusals.yaml").read_text(encoding="utf-8"))
    found: dict[tuple[bool, str], list[re.Pattern[str]]] = {
        (alone, why): [] for alone in (True, False) for why in (REFUSES, TASK, MODEL)
    }
    for language, words in listed.items():
        for kind, pattern in _ruled(words):
            found[language == "any" or kind == MODEL, kind].append(re.compile(fold(pattern)))
        if "as" in words:
            border = "" if language in _UNSPACED else r"\b"
            found[True, MODEL].append(_joined(words["as"], words["model"], border, r"\s?" if not border else r"\s+"))
            cannot, do = words["refuses"]
            found[False, REFUSES].append(_joined(cannot, do, border, rf"{border}{_GAP}{border}"))
            found[False, REFUSES] += [re.compile(fold(phrase)) for phrase in words["says"]]
            found[False, TASK] += [re.compile(fold(phrase)) for phrase in words.get("task", ())]
    return found


def _ruled(words: Any) -> Iterator[tuple[str, str]]:
    """The rules of a language as (kind, regular expression)."""
    named = words.get("words", {})
    for kind, rules in words.get("rules", {}).items():
        for rule in rules:
            whole = re.sub(r"\{([a-z]+)\}", lambda name: named[name[1]], rule)
            yield _KINDS[kind], whole.replace(" …", f" ?{_WIDE_GAP}").replace("…", _WIDE_GAP)


def _joined(first: Any, last: Any, border: str, between: str) -> re.Pattern[str]:
    return re.compile(fold(rf"{border}(?:{'|'.join(first)}){between}(?:{'|'.join(last)})"))
