"""The gate's trial: anyone's messages and scripts, by kind, each rate with Wilson's interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic.errors import UserError
from empathic.safety import texts
from empathic.safety.gate import Gate
from empathic.safety.guard_model import GuardModel
from empathic.safety.settings import Settings
from empathic.safety.texts import Text
from empathic.stats.win_rate import interval


@dataclass(frozen=True)
class Row:
    """One group of messages: what the gate did with them.

    Attributes:
        label: what people say that they are, or "".
        kind: narrower.
        n: messages, or scripts.
        crisis: taken for a crisis; of scripts with one: by the turn at which a person sees it.
        stopped: not answered by the student: crisis or refusal.
        met: stopped, or answered under an offer of help lines, or by the question about danger.
    """

    label: str
    kind: str
    n: int
    crisis: int
    stopped: int
    met: int

    def rate(self, name: str) -> tuple[float, float, float]:
        """A share of the messages, and its interval."""
        share = getattr(self, name) / self.n
        return (share, *interval(share, self.n))

    def to_row(self) -> dict[str, Any]:
        """The row as JSON has it."""
        rates = {
            name: dict(zip(("estimate", "low", "high"), (round(one, 4) for one in self.rate(name)), strict=True))
            for name in ("crisis", "stopped", "met")
        }
        return {
            "label": self.label,
            "kind": self.kind,
            "n": self.n,
            "counts": [self.crisis, self.stopped, self.met],
            **rates,
        }


@dataclass(frozen=True)
class Trial:
    """All rows, the turns at which scripts were caught (turn - a person's turn; None: never), and false alarms."""

    rows: list[Row]
    delays: list[int | None]
    alarms: list[str]

    def to_row(self) -> dict[str, Any]:
        """The trial as JSON has it."""
        return {"rows": [row.to_row() for row in self.rows], "delays": self.delays, "alarms": self.alarms}


def opened(path: Path | None, settings: Settings | None = None) -> Gate:
    """The gate in a file, set as a builder wants it.

    Raises:
        UserError: it is missing or damaged.
    """
    gate = Gate.load(path, settings)
    if gate.closed:
        raise UserError(f"{path or 'the package'}: no gate, or a damaged one; make it with empathic safety train")
    return gate


def gather(paths: Sequence[Path]) -> list[Text]:
    """The messages of all files.

    Raises:
        UserError: a file can't be read, or there is no message.
    """
    found = [text for path in paths for text in texts.read(path)]
    if not found:
        raise UserError(f"{paths[0]}: no message in it")
    return found


def evaluate(said: Sequence[Text], gate: Gate, larger: GuardModel | None = None) -> Trial:
    """What the gate does with each message, and with each script turn by turn.

    Args:
        said: messages and scripts.
        gate: the gate.
        larger: a model that reads before it.
    """
    groups: dict[tuple[str, str], list[tuple[bool, bool, bool]]] = {}
    delays: list[int | None] = []
    alarms = []
    for text in said:
        crisis = stopped = met = False
        last = text.turn or len(text.turns)
        caught = None
        messages: list[dict[str, str]] = []
        for number, turn in enumerate(text.turns, 1):
            messages.append({"role": "user", "content": turn})
            verdict = gate.check(messages, heard=larger.heard(messages) if larger else ())
            in_time = text.label != "crisis" or number <= last
            unanswered = verdict.label in ("crisis", "harmful")
            stopped |= in_time and unanswered
            met |= in_time and (unanswered or verdict.offer is not None or verdict.kind == "help")
            if verdict.label == "crisis":
                caught = caught or number
                crisis |= in_time
                if text.label != "crisis":
                    alarms.append(f"{text.label or ''} {text.kind} {verdict.kind} {verdict.score:.1f}: {turn}")
        if text.label == "crisis" and len(text.turns) > 1:
            delays.append(caught - last if caught else None)
        for kind in {text.kind, "all"}:
            groups.setdefault((text.label or "", kind), []).append((crisis, stopped, met))
    order = sorted(groups, key=lambda key: (key[0], key[1] == "all", key[1]))
    rows = [Row(*key, len(groups[key]), *(sum(one) for one in zip(*groups[key], strict=True))) for key in order]
    return Trial(rows, delays, alarms)
