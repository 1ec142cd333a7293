"""The fixed replies, and the help lines of each country that they name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from empathic.errors import UserError
from empathic.safety.spec import FOLDER

# The texts that the gate asks for, in every language.
_OF = {
    "crisis": "self eating abuse others someone overdose unsure urgent again",
    "offer": "past people concern",
    "small": "hello thanks bye night human who maker feelings name then",
}
NAMES = (
    *("disclosure", "emergency", "directory", "call", "text", "harmful", "reply", "reply.self"),
    *(f"{of}.{name}" for of, names in _OF.items() for name in names.split()),
)


@dataclass(frozen=True, eq=False)
class Replies:
    """What the gate says, and the numbers that it names.

    Attributes:
        texts: language -> name -> text; English is there.
        table: the help lines, with their date, as `helplines.json` has them.
    """

    texts: Mapping[str, Mapping[str, str]]
    table: Mapping[str, Any]

    @cached_property
    def countries(self) -> Mapping[str, Any]:
        """Those whose emergency number and help lines are known, by their two letters."""
        found: Mapping[str, Any] = self.table["countries"]
        return found

    def disclosure(self, language: str = "en") -> str:
        """What people are told before anything is said, and the only wording of it; in English where there is none."""
        return self._words(language)["disclosure"]

    def fixed(self, name: str, language: str, country: str | None = None, whom: tuple[str | None, ...] = ()) -> str:
        """A fixed reply in a language, with the numbers of a country.

        Args:
            name: such as `crisis.self`, `harmful`, `offer.past`.
            language: one of `texts`; another is answered in English.
            country: two letters; None or unknown: the default that holds everywhere.
            whom: the crisis's kind, and `child` for somebody young: lines made for these come first, in this order.
        """
        words = self._words(language)
        here = self.countries.get((country or "").upper(), {"emergency": words["emergency"], "lines": []})
        general = [line for line in here["lines"] if "for" not in line]
        own = [line for one in whom for line in here["lines"] if one in line.get("for", ())]
        named = "; ".join([*(_line(line, words) for line in own + general), words["directory"]])
        return words[name].replace("{emergency}", here["emergency"]).replace("{lines}", named)

    def _words(self, language: str) -> Mapping[str, str]:
        return self.texts.get(language, self.texts["en"])


@cache
def package() -> Replies:
    """The package's own.

    Raises:
        UserError: a file is damaged.
    """
    texts, table = _read("replies.json"), _read("helplines.json")
    if "en" not in texts or not all(map(is_language, texts.values())):
        raise _damaged("replies.json")
    countries = table.get("countries")
    if not isinstance(countries, dict) or not all(map(is_country, countries.values())):
        raise _damaged("helplines.json")
    return Replies(texts, table)


def is_language(found: Any) -> bool:
    """Whether every name that the gate asks for has its text."""
    return isinstance(found, dict) and all(isinstance(found.get(name), str) for name in NAMES)


def is_country(found: Any) -> bool:
    """Whether a country has its emergency number, and each line a name and a number."""
    return (
        isinstance(found, dict)
        and isinstance(found.get("emergency"), str)
        and isinstance(found.get("lines"), list)
        and all(
            isinstance(line, dict)
            and all(isinstance(line.get(key, ""), str) for key in ("name", "call", "text"))
            and "name" in line
            and bool({"call", "text"} & {*line})
            for line in found["lines"]
        )
    )


def _read(name: str) -> dict[str, Any]:
    try:
        found = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(name) from error
    if not isinstance(found, dict):
        raise _damaged(name)
    return found


def _damaged(name: str) -> UserError:
    return UserError(f"{FOLDER / name}: damaged, and nobody is answered without it; install the package anew")


def _line(line: Mapping[str, Any], words: Mapping[str, str]) -> str:
    ways = [f"{words[way]} {line[way]}" for way in ("call", "text") if way in line]
    return f"{line['name']} ({', '.join(ways)})"
