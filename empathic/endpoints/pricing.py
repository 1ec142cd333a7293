"""What asking costs: prices by model, and a purse that is never emptied beyond its budget."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib import resources

import yaml

from empathic.errors import UserError

_MILLION = 1_000_000
Prices = tuple[float, float]  # US dollars for a million tokens: read, written


class BudgetReached(UserError):
    """The next request could pass the budget."""


def prices(model: str | None, own: Sequence[float] | None, batch: bool = False) -> Prices | None:
    """The prices of a model: the recipe's, or those of our dated list, where `gpt-4o-2024-08-06` is `gpt-4o`.

    A batch costs half of what is listed.
    """
    if own:
        return own[0], own[1]
    listed = yaml.safe_load((resources.files("empathic.endpoints") / "prices.yaml").read_text(encoding="utf-8"))
    found = listed.get(re.sub(r"-(?:\d{4}-?\d\d-?\d\d|latest|\d{3})$", "", model or ""))
    share = 0.5 if batch else 1.0
    return (share * found[0], share * found[1]) if found else None


def cost(prices: Prices, tokens: tuple[int, int]) -> float:
    """US dollars for so many tokens read and written."""
    return (prices[0] * tokens[0] + prices[1] * tokens[1]) / _MILLION


def _dollars(sum: float, places: int) -> str:
    """A sum to so many places, a small one to its second digit that isn't 0: `5.00`, `0.004`, `0.000012`."""
    digits = max(places, 1 - math.floor(math.log10(sum))) if sum > 0 else places
    whole, _, rest = f"{sum:.{digits}f}".partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(places, '0')}"


def most_tokens(messages: Sequence[dict[str, str]], max_tokens: int) -> tuple[int, int]:
    """At most so many tokens are read and written: the text's bytes with some for each message, and the limit."""
    return sum(len(message["content"].encode()) + 16 for message in messages), max_tokens


def estimated_tokens(text: str) -> int:
    """About so many tokens are in a text, where a server doesn't say: one for four bytes."""
    return len(text.encode()) // 4 + 1


class Budget:
    """What may still be spent, what is in flight counted at its highest.

    Args:
        prices: those of the model; None costs nothing.
        budget: US dollars, over all that the ledger records of this model; None is no end.
        spent: what the ledger records so far.

    Raises:
        UserError: a budget without prices to keep it by.
    """

    def __init__(self, prices: Prices | None = None, budget: float | None = None, spent: float = 0.0) -> None:
        if budget is not None and prices is None:
            raise UserError(
                "teacher.budget: no price is known for this model; give teacher.prices: [read, written], "
                "in US dollars for a million tokens"
            )
        self.prices, self.budget, self.spent, self.reserved = prices or (0.0, 0.0), budget, spent, 0.0

    def reserve(self, messages: Sequence[dict[str, str]], max_tokens: int) -> float:
        """Set aside what a request costs at most.

        Raises:
            BudgetReached: it could pass the budget; nothing is set aside.
        """
        most = cost(self.prices, most_tokens(messages, max_tokens))
        if self.budget is not None and self.spent + self.reserved + most > self.budget:
            raise BudgetReached(
                f"teacher.budget: {_dollars(self.budget, 2)} US dollars are used up (${_dollars(self.spent, 4)} spent, "
                f"${_dollars(self.reserved, 4)} in flight); raise it, and the same command goes on"
            )
        self.reserved += most
        return most

    def counted(self, tokens: tuple[int, int], messages: Sequence[dict[str, str]], written: int) -> tuple[int, int]:
        """The tokens that a reply costs: those that the server counted, and an estimate of what it left uncounted.

        Args:
            tokens: read and written by the server's count, 0 where it has none.
            messages: what was read.
            written: about so many tokens were written.
        """
        if not any(self.prices):
            return tokens
        said = "".join(message["content"] for message in messages)
        return tokens[0] or estimated_tokens(said), tokens[1] or written

    def settle(self, reserved: float, tokens: tuple[int, int], prices: Prices | None = None) -> float:
        """What a request cost in the end, in the place of what was set aside for it.

        Args:
            reserved: what was set aside.
            tokens: read and written.
            prices: its own, where they aren't the purse's.
        """
        found = cost(prices or self.prices, tokens)
        self.reserved -= reserved
        self.spent += found
        return found
