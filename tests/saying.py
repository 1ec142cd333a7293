"""Things said to the safety gate, for its tests."""

from __future__ import annotations

from empathic.safety.gate import Gate, Verdict


def say(gate: Gate, *turns: str, country: str | None = None) -> Verdict:
    """What the gate says of the last of these turns of a user's."""
    return gate.check([{"role": "user", "content": turn} for turn in turns], country)


def assert_taken_for(gate: Gate, text: str, label: str | None) -> None:
    """Check what a message is taken for; None: anything that the student answers."""
    found = say(gate, text).label
    assert found == label if label else found not in ("crisis", "harmful")
