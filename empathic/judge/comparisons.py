"""Which systems of a run are judged against which. The judge stage, its forecast and the report all go by this."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from empathic.judge import controls
from empathic.recipe import BASE, Recipe


class Comparison(NamedTuple):
    """Two systems that are judged against each other; rates are those of `a`."""

    a: str
    b: str


def headline(recipe: Recipe) -> Comparison:
    """The pair that answers whether training helped: the last step against the untuned student."""
    return Comparison(recipe.final, BASE)


def added(recipe: Recipe) -> list[tuple[str, str]]:
    """Each step but the first with the step before it, to tell what the later one adds."""
    return [(step.name, recipe.before(step.name)) for step in reversed(recipe.steps[1:])]


def comparisons(recipe: Recipe, references: Iterable[str]) -> list[Comparison]:
    """Every pair, the headline first.

    Each step meets the base and the step before it; the last one meets the stock phrase and the references too.

    Args:
        recipe: the run's.
        references: origins of known replies.
    """
    against_base = [Comparison(step.name, BASE) for step in reversed(recipe.steps)]
    against_others = [Comparison(recipe.final, other) for other in (controls.STOCK_SYSTEM, *references)]
    return [*against_base, *(Comparison(*pair) for pair in added(recipe)), *against_others]
