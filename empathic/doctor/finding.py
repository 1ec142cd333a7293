"""What a check found: all is well, something to mind, or something that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["ok", "mind", "fails"]


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and how to mend it.

    `mark` is *ok*, *mind*, where a run works all the same, or *fails*, where what was asked for can't be done.
    """

    check: str
    mark: Mark
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.mend}" if self.mend else self.what


def ok(check: str, what: str) -> Finding:
    """A check that found all well."""
    return Finding(check, "ok", what)


def mind(check: str, what: str, mend: str = "") -> Finding:
    """A check that found something to mind."""
    return Finding(check, "mind", what, mend)


def fails(check: str, what: str, mend: str = "") -> Finding:
    """A check that found what doesn't work."""
    return Finding(check, "fails", what, mend)
