"""The safety gate of the commands that let people talk with a student, by their options."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from empathic.errors import UserError

if TYPE_CHECKING:
    from empathic.conversation.guard import Guard
    from empathic.safety.settings import Settings

Country = Annotated[str | None, typer.Option("--country", help="Two letters, such as GB: whose help lines are named.")]
NoGate = Annotated[
    bool,
    typer.Option("--without-gate", help="Let the model itself answer people in danger. For tests of a model alone."),
]
Counted = Annotated[
    Path | None,
    typer.Option(
        "--count-referrals", metavar="FILE", help="Count in a JSON file how often crisis help was given, by day."
    ),
]
Own = Annotated[
    Path | None,
    typer.Option("--safety", metavar="FILE", help="Your own lines, replies, help lines and guard model, YAML."),
]


@contextlib.contextmanager
def guarding(
    country: str | None,
    without_gate: bool,
    counted: Path | None,
    beside: str | None,
    safety: Path | None,
    log: Callable[[str], None],
) -> Iterator[Guard | None]:
    """The gate that models are behind, and the model in front of it.

    Args:
        country: for the help lines.
        without_gate: whether there is none.
        counted: where referrals are counted.
        beside: a second system that answers too.
        safety: a builder's settings.
        log: told of the guard model.

    Raises:
        UserError: no such country, as far as the help lines are known, referrals that can't be counted, or settings
            that are none.
    """
    from empathic.safety import guard_model, settings

    if safety and without_gate:
        raise UserError("--safety: sets the gate, and --without-gate takes it away; leave one out")
    found = settings.read(safety) if safety else None
    guard = _guard(country, without_gate, counted, beside, found)
    if not (guard and found and found.guard):
        yield guard
        return
    with guard_model.opened(found.guard, log) as larger:
        log(f"what is written is read by a guard model too: {found.guard.endpoint}")
        yield replace(guard, larger=larger)


def disclosure(guard: Guard | None) -> str | None:
    """What is told before anything is said; None where there is no gate to word it."""
    return guard.gate.words.disclosure() if guard and not guard.gate.closed else None


def _guard(
    country: str | None, without_gate: bool, counted: Path | None, beside: str | None, settings: Settings | None = None
) -> Guard | None:
    from empathic.conversation.guard import Guard
    from empathic.safety.gate import Gate
    from empathic.safety.referrals import Referrals

    checked_country(country, settings)
    if counted and (without_gate or beside):
        raise UserError(
            "--count-referrals: "
            + (
                "without the gate there are none"
                if without_gate
                else "with --beside each would count twice; leave one out"
            )
        )
    if without_gate:
        return None
    gate = Gate.load(settings=settings)
    if gate.closed:
        print("empathic: the safety gate is damaged: nobody is answered; install the package anew", file=sys.stderr)
    return Guard(gate, country, Referrals(counted) if counted else None)


def checked_country(country: str | None, settings: Settings | None = None) -> None:
    """Refuse a country whose help lines aren't known.

    Raises:
        UserError: it isn't; names those that are.
    """
    from empathic.safety import replies

    known = (settings.words() if settings else replies.package()).countries
    if country is not None and country.upper() not in known:
        meant = "; the United Kingdom's letters are GB" if country.upper() == "UK" else ""
        raise UserError(
            f"--country {country}: no help lines are known of it{meant}; leave it out, or name {', '.join(known)}"
        )
