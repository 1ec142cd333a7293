"""What isn't to be learnt: dialogues of people in danger, and replies that the safety gate wouldn't let pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from empathic.corpus.rows import Made, Row
from empathic.errors import UserError
from empathic.recipe import Recipe
from empathic.safety.gate import Gate

CRISIS = "crisis"


def of(recipe: Recipe) -> SafetyFilter | None:
    """A recipe's filter; None where it is off."""
    return SafetyFilter() if recipe.corpus.safety_filter else None


class SafetyFilter:
    """Leaves rows out of a corpus, and counts why.

    An SFT example's reply and a pair's chosen one are read; what a pair rejects may be anything, since it is what the
    student learns not to say.

    Attributes:
        left_out: rows by reason: `crisis` where the message is one, else what the gate refuses the reply for (`human`,
            `feeling`, `life`, `method`, `agrees`, `no-help`: claims to be one, to feel, to have a life, and harm).

    Raises:
        UserError: the gate's file is damaged.
    """

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self._gate = Gate.load()
        if self._gate.closed:
            raise UserError("corpus.safety_filter: the gate's file is damaged; install the package anew")

    def reason(self, row: Row) -> str | None:
        """Why a row is not to be learnt from; None where it is."""
        if self._gate.check(row["prompt"]).label == CRISIS:
            return CRISIS
        said = row["completion"] if "completion" in row else row["chosen"]
        kinds = (self._gate.check_reply(message["content"]).kind for message in said)
        return next((kind for kind in kinds if kind), None)

    def keep(self, row: Row) -> bool:
        """Whether a row may be learnt from; counts it where not."""
        reason = self.reason(row)
        if reason:
            self.left_out[reason] += 1
        return reason is None

    def watch(self, made: Iterable[Made]) -> Iterator[Made]:
        """Pass on the rows that may be learnt from."""
        return (one for one in made if self.keep(one.row))

    def counts(self) -> dict[str, int]:
        """Rows left out by reason, the commonest first."""
        return dict(sorted(self.left_out.items(), key=lambda item: (-item[1], item[0])))


def told(left_out: dict[str, Any]) -> str:
    """What was left out, in a line: `12 rows (life 9, crisis 3)`."""
    total = sum(left_out.values())
    why = ", ".join(f"{reason} {count}" for reason, count in left_out.items())
    return f"{total:,} row{'' if total == 1 else 's'}" + (f" ({why})" if why else "")
