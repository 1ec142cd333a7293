"""A live teacher that is asked by batches: half the price, an answer within a day.

A run hands over all that it would ask, and ends; the same command another day fetches what came, hands over what comes
next (the second turn of a conversation, lines that expired or failed, answers of no use), until nothing is left to ask.
Where a batch goes as a file, `questions` are what to write into it, and what an import has still to ask.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from typing import Any

from empathic.dialogues import Dialogue
from empathic.endpoints.batch_api import BatchClient
from empathic.endpoints.generator import AnswerPending
from empathic.endpoints.in_order import run
from empathic.errors import BatchPending
from empathic.recipe import Recipe
from empathic.teacher.journal import Known
from empathic.teacher.live import Row, strategies_of, taught


def replies(
    dialogues: Iterable[Known], recipe: Recipe, client: BatchClient, advance: Callable[[], None] = lambda: None
) -> Iterator[list[Row]]:
    """What `live.replies` yields, once batches have brought it all.

    Raises:
        BatchPending: batches are under way, or were just handed over.
        UserError: the budget would be passed; nothing is handed over.
    """
    waiting, requests = client.fetch()
    if waiting:
        raise BatchPending(
            f"{waiting} batches with {requests} requests are under way; the same command fetches them when done"
        )
    found = [rows for rows in run(_asked(dialogues, recipe, client)) if rows is not None]
    if client.wanted:
        count = client.hand_over()
        raise BatchPending(f"{count} requests are handed over; the same command fetches the answers when they are done")
    for rows in found:
        yield rows
        advance()
    client.ledger.reset_attempts(client.given_up)  # nothing is pending now, so the next run asks them anew


def questions(
    dialogues: Iterable[Dialogue], recipe: Recipe, client: BatchClient, told: Callable[[list[Row] | None], None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What can be asked now, each question once, as it is found: its id, and its request's body.

    Args:
        dialogues: those of the train split.
        recipe: method, strategy, sampling and seed.
        client: knows what has been answered.
        told: called once a dialogue with its rows, as `live.replies` has them; None where answers are to come.

    Raises:
        UserError: the budget would be passed.
    """
    seen: set[str] = set()
    for rows in run(_asked(((dialogue, None) for dialogue in dialogues), recipe, client)):
        for id, (_, asked) in client.wanted.items():
            if id not in seen:
                seen.add(id)
                yield id, asked
        client.wanted.clear()
        told(rows)


async def _asked(
    dialogues: Iterable[Known], recipe: Recipe, client: BatchClient
) -> AsyncGenerator[list[Row] | None, None]:
    """The rows of every dialogue; None for one whose answers are to come, which are then wanted of the client."""
    asked = strategies_of(recipe)
    for dialogue, rows in dialogues:
        try:
            yield rows if rows is not None else await taught(client, dialogue, asked, recipe)
        except AnswerPending:
            yield None
