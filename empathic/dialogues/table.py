"""Rows of any table as dialogues: a user's file, or a Hugging Face data set."""

from __future__ import annotations

import difflib
import json
import math
import re
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from empathic import files
from empathic.dialogues import chats, formats
from empathic.dialogues.dialogue import Dialogue, Reply
from empathic.dialogues.leakage import normal
from empathic.errors import UserError

LONGEST = 8000  # characters: about 2,000 tokens, which leaves a small model's context room for the rest
FIELDS = chats.FIELDS
_SIDES = {
    "train": ("train", "training", "tr"),
    "validation": ("valid", "validation", "val", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SIDE = {name: side for side, names in _SIDES.items() for name in names}
_RATINGS = {"1": 1, "2": 2, "3": 3, "1.0": 1, "2.0": 2, "3.0": 3}
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_WORDS = re.compile(r"[^\W\d]{2}.* .")
Row = Mapping[str, Any]
DROPPED = "duplicates_dropped"
BLANK = "blank_rows_dropped"
EMPTY = "empty_utterances_dropped"
LONG = "too_long_dropped"  # rows with an utterance or a situation over `LONGEST`
LONG_REPLIES = "long_replies_dropped"  # replies over it, of rows that stay
MORE = "only_first_exchange"  # of a dialogue with more turns
MENDED = "characters_mended"
COUNTED = (DROPPED, BLANK, EMPTY, LONG, LONG_REPLIES, MORE, MENDED)


class RowError(UserError):
    """A row that stops a run.

    Attributes:
        kind: why, without what is this row's alone: rows of a kind are counted together.
    """

    def __init__(self, place: str, why: str, kind: str = "") -> None:
        super().__init__(f"{place}: {why}")
        self.kind = kind or why


class ColumnError(UserError):
    """Columns that aren't there, or aren't filled.

    Attributes:
        inspected: the same, with the mend in the words of `inspect` and not in a recipe's.
    """

    def __init__(self, why: str, field: str = "", column: str = "") -> None:
        told = f"{why}{'' if why.endswith('?') else ';'} name it" if field else why
        quoted = column if column.replace("_", "").isalnum() else json.dumps(column, ensure_ascii=False)
        super().__init__(f"{told} in the recipe: dialogues.columns: {{{field}: {quoted}}}" if field else why)
        self.inspected = f"{told}: --column {shlex.quote(f'{field}={column}')}" if field else why


def side_of(name: str) -> str | None:
    """The split that a name such as `val`, `Training` or `test_sft` means; "" of none, None of an unknown one."""
    word = re.split(r"[^a-z]", name.strip().lower(), maxsplit=1)[0]
    return _SIDE.get(word) if name.strip() else ""


def needed(names: Iterable[str], columns: Mapping[str, str]) -> list[str]:
    """Which of a table's columns its dialogues are read from; all of them where they can't be, so that one is told.

    Args:
        names: all there are, or a row.
        columns: field -> column, as the recipe says.
    """
    there = names if isinstance(names, Mapping) else dict.fromkeys(names)
    read = {**columns, **chats.guessed(there, columns)}
    if not all(field in there or column in there for field, column in {"utterance": "utterance", **read}.items()):
        return list(there)
    used = {*FIELDS, chats.REPLIES, *read, *read.values()}
    return [n for n in there if n in used or n.startswith(("reply.", "rating.")) or n.lower() == chats.BESIDE]


def dialogues(
    found: Iterable[tuple[str, Row]], columns: Mapping[str, str], facts: Counter[str] | None = None
) -> Iterator[Dialogue]:
    """Rows as dialogues, one by one; a row that stood before, by id and words, is dropped.

    An utterance is enough. `replies` is a mapping of origin to text (or to `{"text", "rating"}`); in a table,
    `reply.ORIGIN` and `rating.ORIGIN` columns do the same.
    Chats, instructions and preferences are read as `chats` says.

    Args:
        found: (place, row) pairs.
        columns: field -> column, where the table names them otherwise, such as `reply.human: answer`.
        facts: counts what was dropped, cut to its first exchange, or mended.

    Raises:
        UserError: a missing column (the nearest is suggested), an id that stands twice with different words, an
            unknown split, a rating that isn't 1, 2 or 3, or no row at all that can be used; names the place.
    """
    reader = Reader(columns, Counter() if facts is None else facts)
    for place, row in found:
        dialogue = reader.read(place, row)
        if dialogue:
            yield dialogue
    if reader.examples and not reader.used:
        raise reader.none_usable()


class Reader:
    """Makes dialogues of the rows of one table.

    Args:
        columns: field -> column, as the recipe says.
        facts: counts what was dropped, cut to its first exchange, or mended.

    Attributes:
        columns: the same and those that were guessed, as rows were read.
        used: how many dialogues it made.
        examples: the place of the first row of what was dropped, by its name in the facts.
    """

    def __init__(self, columns: Mapping[str, str], facts: Counter[str]) -> None:
        self.columns = dict(columns)
        self._said = columns
        self._names: dict[str, None] = {}  # of the columns so far, in their order
        self.facts = facts
        self.used = 0
        self.examples: dict[str, str] = {}
        self._seen: dict[int, int] = {}  # hash of an id -> 8 bits of its words': a million ids take 60 MB
        self._elsewhere: Counter[str] = Counter()  # characters by column, in rows with no utterance

    def read(self, place: str, row: Row) -> Dialogue | None:
        """The dialogue in a row, or None where it stood before, is blank, or has no utterance that can be used.

        Raises:
            UserError: a row that can't be used; names the place.
        """
        begins = not self._names
        if not row.keys() <= self._names.keys():  # a row of JSON may have what those before it lack
            self._names |= dict.fromkeys(row)
            self.columns = {**chats.guessed({**self._names, **row}, self._said), **self.columns}
        if begins:
            _check_columns(place, row, self.columns)
        if not any(value.strip() if isinstance(value, str) else value not in (None, [], {}) for value in row.values()):
            self._left_out(BLANK, place)
            return None
        opened, more = chats.opened(row, self.columns)
        plain = {**row, **opened}
        columns = {f: f if f in opened or column not in row else column for f, column in self.columns.items()}
        noted = Counter({MORE: int(more)})
        values = {field: _text(place, field, plain.get(columns.get(field, field)), noted) for field in FIELDS}
        if not values["utterance"]:
            self._elsewhere.update({name: len(value) for name, value in row.items() if isinstance(value, str)})
            self._left_out(EMPTY, place)
            return None
        if max(len(values["utterance"]), len(values["situation"])) > LONGEST:
            self._left_out(LONG, place)
            return None
        dialogue = _dialogue(place, values, _replies(place, plain, columns, noted))
        key, words = hash(dialogue.id), hash((normal(dialogue.situation), normal(dialogue.utterance))) & 0xFF
        known = key in self._seen
        if self._seen.setdefault(key, words) != words:
            why = f"the id {dialogue.id!r} stands before this line too, with other words; ids must differ"
            raise RowError(place, why, "an id twice")
        if known:
            self._left_out(DROPPED, place)
            return None
        self.facts.update(noted)
        self.used += 1
        if LONG_REPLIES in noted:
            self.examples.setdefault(LONG_REPLIES, place)
        return dialogue

    def none_usable(self) -> UserError:
        """What to say where rows were read, and none of them can be used."""
        counts = ", ".join(f"{self.facts[name]} {name.replace('_', ' ')}" for name in self.examples)
        why = f"{next(iter(self.examples.values()))}: no row can be used: {counts}"
        column = self.columns.get("utterance", "utterance")
        read = needed(dict.fromkeys(self._elsewhere), self.columns)
        others = Counter({name: count for name, count in self._elsewhere.items() if name not in read})
        if (likely := others.most_common(1)) and likely[0][1]:
            return ColumnError(f"{why}; it may be in {likely[0][0]!r}", "utterance", likely[0][0])
        return ColumnError(f"{why}; want a text of 1 to {LONGEST} characters in {column!r}")

    def _left_out(self, fact: str, place: str) -> None:
        self.facts[fact] += 1
        self.examples.setdefault(fact, place)


def _check_columns(place: str, row: Row, columns: Mapping[str, str]) -> None:
    for field, column in {"utterance": "utterance", **columns}.items():
        if field not in (*FIELDS, chats.REPLIES) and not field.startswith(("reply.", "rating.")):
            raise ColumnError(
                f"columns: {field!r} is no field; want {', '.join((*FIELDS, chats.REPLIES))}, reply.X or rating.X"
            )
        if field not in row and column not in row:
            close = difflib.get_close_matches(column, list(row), 1, 0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {_listed(row)}"
            why = f"{formats.header_place(place)}: no column {column!r}; {hint}"
            raise ColumnError(why, field, close[0] if close else _likely(row))


def _listed(row: Row) -> str:
    return textwrap.shorten(", ".join(repr(str(name)) for name in row if str(name).strip()) or "none", 200)


def _likely(row: Row) -> str:
    """The first column that holds words under a name that is short and no answer's; "..." where there is none."""
    texts = [str(name) for name, value in row.items() if isinstance(value, str) and _WORDS.search(value)]
    said = (name for name in texts if 0 < len(name) <= 20 and not name.lower().startswith(("reply", *chats.ANSWERS)))
    return next(said, "...")


def _dialogue(place: str, values: Mapping[str, str], replies: Mapping[str, Reply]) -> Dialogue:
    if (split := side_of(values["split"])) is None:
        raise RowError(place, f"the split is {values['split']!r}; want train, validation or test", "an unknown split")
    return Dialogue(
        id=values["id"] or files.digest([values["situation"], values["utterance"]])[:12],
        utterance=values["utterance"],
        situation=values["situation"],
        emotion=values["emotion"],
        replies=replies,
        split=split,
    )


def _replies(place: str, row: Row, columns: Mapping[str, str], noted: Counter[str]) -> dict[str, Reply]:
    texts: dict[str, Any] = {}
    ratings: dict[str, Any] = {}
    named = {field: row.get(column) for field, column in columns.items()}
    for key, value in {**row, **named}.items():
        kind, _, origin = str(key).partition(".")
        if origin and kind == "reply":
            texts[origin] = value
        elif origin and kind == "rating":
            ratings[origin] = value
    nested = row.get(columns.get(chats.REPLIES, chats.REPLIES)) or {}
    if not isinstance(nested, Mapping):
        raise RowError(place, f'replies is {type(nested).__name__}; want origin: text, such as {{"human": "..."}}')
    for origin, value in nested.items():
        if isinstance(value, Mapping):
            texts[origin], ratings[origin] = value.get("text"), value.get("rating")
        else:
            texts[origin] = value
    replies = {}
    for origin, value in texts.items():
        text = _text(place, f"reply of {origin}", value, noted)
        rated = rating(place, origin, ratings.get(origin)) if text else None
        if len(text) > LONGEST:
            noted[LONG_REPLIES] += 1
        elif text:
            replies[_mended(str(origin), noted)] = Reply(text, rated)
    return replies


def _text(place: str, field: str, value: Any, noted: Counter[str]) -> str:
    if _is_none(value):
        return ""
    if not isinstance(value, str | int):
        raise RowError(place, f"{field} is {type(value).__name__}; want text")
    return _mended(str(value), noted).strip()


def _is_none(value: Any) -> bool:
    """Whether a value stands for none: null, or NaN, which is what pandas makes of it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _mended(text: str, noted: Counter[str]) -> str:
    """A text without halves of characters and control characters, which no file and no model can hold."""
    clean = _NO_TEXT.sub("", text)
    if clean != text:
        noted[MENDED] = 1
    return clean


def rating(place: str, origin: str, value: Any) -> int | None:
    """A rating of 1, 2 or 3, or None where there is none.

    Raises:
        UserError: anything else.
    """
    if _is_none(value) or value == "":
        return None
    if str(value).strip() not in _RATINGS:
        why = f"the rating of {origin} is {value!r}; want 1 (bad), 2 (okay) or 3 (good)"
        raise RowError(place, why, "a rating")
    return _RATINGS[str(value).strip()]
