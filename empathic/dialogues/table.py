"""Rows of any table as dialogues: a user's file, or a Hugging Face data set."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from empathic import files
from empathic.dialogues import chats
from empathic.dialogues.dialogue import Dialogue, Reply
from empathic.dialogues.leakage import normal
from empathic.errors import UserError

LONGEST = 8000  # characters: about 2,000 tokens, which leaves a small model's context room for the rest
FIELDS = ("id", "emotion", "situation", "utterance", "split")
_SIDES = {
    "train": ("train", "training", "tr"),
    "validation": ("valid", "validation", "val", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SIDE = {name: side for side, names in _SIDES.items() for name in names}
_RATINGS = {"1": 1, "2": 2, "3": 3, "1.0": 1, "2.0": 2, "3.0": 3}
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
Row = Mapping[str, Any]
DROPPED = "duplicates_dropped"
MORE = "only_first_exchange"  # of a dialogue with more turns
MENDED = "characters_mended"


def side_of(name: str) -> str | None:
    """The split that a name such as `val`, `Training` or `test_sft` means; "" of none, None of an unknown one."""
    word = re.split(r"[^a-z]", name.strip().lower(), maxsplit=1)[0]
    return _SIDE.get(word) if name.strip() else ""


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
        UserError: a missing column (the nearest is suggested), an empty or huge utterance, an id that stands
            twice with different words, or a rating that isn't 1, 2 or 3; names the place.
    """
    reader = Reader(columns, Counter() if facts is None else facts)
    for place, row in found:
        dialogue = reader.read(place, row)
        if dialogue:
            yield dialogue


class Reader:
    """Makes dialogues of the rows of one table.

    Args:
        columns: field -> column, as the recipe says.
        facts: counts what was dropped, cut to its first exchange, or mended.

    Attributes:
        columns: the same and those that were guessed, once a row was read.
        begun: whether its columns were found to do.
    """

    def __init__(self, columns: Mapping[str, str], facts: Counter[str]) -> None:
        self.columns = dict(columns)
        self.facts = facts
        self.begun = False
        self._seen: dict[int, int] = {}  # hash of an id -> 8 bits of its words': a million ids take 60 MB

    def read(self, place: str, row: Row) -> Dialogue | None:
        """The dialogue in a row, or None where it stood before.

        Raises:
            UserError: a row that can't be used; names the place.
        """
        if not self.begun:
            self.columns |= chats.guessed(row, self.columns)
            _check_columns(place, row, self.columns)
            self.begun = True
        plain, more = chats.opened(row, self.columns)
        columns = {field: field if field in plain else column for field, column in self.columns.items()}
        mended: list[str] = []
        dialogue = _dialogue(place, plain, columns, mended)
        key, words = hash(dialogue.id), hash((normal(dialogue.situation), normal(dialogue.utterance))) & 0xFF
        known = key in self._seen
        if self._seen.setdefault(key, words) != words:
            raise UserError(
                f"{place}: the id {dialogue.id!r} stands before this line too, with other words; ids must differ"
            )
        if known:
            self.facts[DROPPED] += 1
            return None
        self.facts[MORE] += more
        self.facts[MENDED] += bool(mended)
        return dialogue


def _check_columns(place: str, row: Row, columns: Mapping[str, str]) -> None:
    for field, column in {"utterance": "utterance", **columns}.items():
        if field not in FIELDS and not field.startswith(("reply.", "rating.")):
            raise UserError(f"dialogues.columns: {field!r} is no field; want {', '.join(FIELDS)}, reply.X or rating.X")
        if field not in row and column not in row:
            close = difflib.get_close_matches(column, list(row), 1, 0.5)
            hint = f"did you mean {close[0]!r}? " if close else f"it has {', '.join(map(str, row))}; "
            raise UserError(f"{place}: no column {column!r}; {hint}Name it in the recipe: columns: {{{field}: ...}}")


def _dialogue(place: str, row: Row, columns: Mapping[str, str], mended: list[str]) -> Dialogue:
    values = {field: _text(place, field, row.get(columns.get(field, field)), mended) for field in FIELDS}
    utterance = values["utterance"]
    if not utterance:
        raise UserError(f"{place}: the utterance is empty; fill it in or drop the row")
    for field in ("utterance", "situation"):
        if len(values[field]) > LONGEST:
            raise UserError(f"{place}: the {field} has {len(values[field])} characters; at most {LONGEST} can be used")
    if (split := side_of(values["split"])) is None:
        raise UserError(f"{place}: the split is {values['split']!r}; want train, validation or test")
    return Dialogue(
        id=values["id"] or files.digest([values["situation"], utterance])[:12],
        utterance=utterance,
        situation=values["situation"],
        emotion=values["emotion"],
        replies=_replies(place, row, columns, mended),
        split=split,
    )


def _replies(place: str, row: Row, columns: Mapping[str, str], mended: list[str]) -> dict[str, Reply]:
    texts: dict[str, Any] = {}
    ratings: dict[str, Any] = {}
    named = {field: row.get(column) for field, column in columns.items()}
    for key, value in {**row, **named}.items():
        kind, _, origin = str(key).partition(".")
        if origin and kind == "reply":
            texts[origin] = value
        elif origin and kind == "rating":
            ratings[origin] = value
    nested = row.get("replies") or {}
    if not isinstance(nested, Mapping):
        raise UserError(f'{place}: replies is {type(nested).__name__}; want origin: text, such as {{"human": "..."}}')
    for origin, value in nested.items():
        if isinstance(value, Mapping):
            texts[origin], ratings[origin] = value.get("text"), value.get("rating")
        else:
            texts[origin] = value
    replies = {}
    for origin, value in texts.items():
        if text := _text(place, f"reply of {origin}", value, mended):
            replies[_mended(str(origin), mended)] = Reply(text, rating(place, origin, ratings.get(origin)))
    return replies


def _text(place: str, field: str, value: Any, mended: list[str]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise UserError(f"{place}: {field} is {type(value).__name__}; want text")
    return _mended(str(value), mended).strip()


def _mended(text: str, mended: list[str]) -> str:
    """A text without halves of characters and control characters, which no file and no model can hold."""
    clean = _NO_TEXT.sub("", text)
    if clean != text:
        mended.append(text)
    return clean


def rating(place: str, origin: str, value: Any) -> int | None:
    """A rating of 1, 2 or 3, or None where there is none.

    Raises:
        UserError: anything else.
    """
    if value is None or value == "":
        return None
    if str(value).strip() not in _RATINGS:
        raise UserError(f"{place}: the rating of {origin} is {value!r}; want 1 (bad), 2 (okay) or 3 (good)")
    return _RATINGS[str(value).strip()]
