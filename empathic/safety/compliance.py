"""Presets of what laws on companion chatbots ask for: notices, reminders, marks. No legal advice.

They belong to a conversation and not to a training recipe: who serves a student answers for it, in as many countries
as the service has, and the same files are served under other laws, or under none.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from empathic.errors import UserError
from empathic.safety import replies
from empathic.safety.spec import FOLDER


@dataclass(frozen=True)
class Ask:
    """One thing that a law asks for.

    Attributes:
        article: where.
        since: the day from which it holds.
        what: what it asks.
        done: `yes`, `partly` or `no`.
        how: what this program does about it, or doesn't.
    """

    article: str
    since: str
    what: str
    done: str
    how: str


@dataclass(frozen=True)
class Preset:
    """What one law asks for, as `compliance.yaml` has it.

    Attributes:
        name: of the preset.
        law: its name for people.
        since: the day from which it holds.
        start: what is shown before a conversation; `{name}` stands for the system.
        reminder: what is shown again and again in one that goes on; None where nothing is.
        strong: whether both are to be in bold and large.
        hours: between reminders; None for none.
        minors: the same where those who talk are minors.
        marked: whether replies are marked for machines.
        asks: what it asks for, one by one.
    """

    name: str
    law: str
    since: str
    start: str
    reminder: str | None
    strong: bool
    hours: float | None
    minors: float | None
    marked: bool
    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class Notice:
    """A sentence that people have to see.

    Attributes:
        text: the sentence.
        strong: whether it is to be in bold and large.
    """

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Compliance:
    """Presets together: all their notices, the shortest time between reminders, marks where one asks for them.

    Attributes:
        presets: in the order of their naming.
        minors: whether those who talk are treated as minors.
    """

    presets: tuple[Preset, ...] = ()
    minors: bool = False

    @property
    def marked(self) -> bool:
        """Whether replies are marked for machines."""
        return any(one.marked for one in self.presets)

    @property
    def seconds(self) -> float | None:
        """Between reminders; None for none."""
        hours = [found for one in self.presets if (found := one.minors if self.minors else one.hours) is not None]
        return min(hours) * 3600 if hours else None

    def start(self, name: str) -> list[Notice]:
        """What is shown before a conversation with a system, what everybody is told aside; each wording once."""
        return _named([(one.start, one.strong) for one in self.presets], name)

    def reminder(self, name: str) -> list[Notice]:
        """What is shown again in a conversation with a system that goes on; each wording once."""
        return _named([(one.reminder, one.strong) for one in self.presets if one.reminder], name)


NOTHING = Compliance()


def _named(wordings: Sequence[tuple[str, bool]], name: str) -> list[Notice]:
    return list(dict.fromkeys(Notice(text.replace("{name}", name.upper()), strong) for text, strong in wordings))


def everything(compliance: Compliance, name: str, disclosure: str | None = None) -> list[Notice]:
    """What is shown before a conversation in all: the disclosure (default: the package's), and what presets ask for."""
    return [Notice(disclosure or replies.package().disclosure()), *compliance.start(name)]


@cache
def table() -> dict[str, Any]:
    """The data as it is written, with its date."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compliance.yaml").read_text(encoding="utf-8"))
    return found


@cache
def presets() -> dict[str, Preset]:
    """Every preset by its name."""
    return {name: _preset(name, raw) for name, raw in table()["presets"].items()}


def _preset(name: str, raw: dict[str, Any]) -> Preset:
    asks = tuple(Ask(article, str(since), what, done, how) for article, since, what, done, how in raw["asks"])
    return Preset(name, **{**raw, "since": str(raw["since"]), "asks": asks})


def chosen(names: Sequence[str], minors: bool = False) -> Compliance:
    """Presets by their names, each once.

    Raises:
        UserError: no such preset (the nearest is suggested), or `minors` without any.
    """
    known = presets()
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name.lower(), known, 1)
            raise UserError(
                f"--compliance {name}: no such preset; "
                + (f"did you mean {close[0]!r}?" if close else f"want {', '.join(known)}")
            )
    if minors and not names:
        raise UserError("--minors: says how often a preset reminds; name one with --compliance")
    return Compliance(tuple(known[name] for name in dict.fromkeys(names)), minors)
