"""A live teacher that is asked by batches: half the price, an answer within a day.

A run hands over all that it would ask, and ends; the same command another day fetches what came, hands over what comes
next (the second turn of a conversation, lines that expired or failed, answers of no use), until nothing is left to ask.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator

from empathic.endpoints.batch_api import AnswerPending, BatchClient
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
    found = asyncio.run(_asked(dialogues, recipe, client))
    if client.wanted:
        count = client.hand_over()
        raise BatchPending(f"{count} requests are handed over; the same command fetches the answers when they are done")
    for rows in found:
        yield rows
        advance()
    client.ledger.reset_attempts(client.given_up)  # nothing is pending now, so the next run asks them anew


async def _asked(dialogues: Iterable[Known], recipe: Recipe, client: BatchClient) -> list[list[Row]]:
    """The rows of every dialogue that has them all; what others lack is then wanted of the client."""
    asked, found = strategies_of(recipe), []
    for dialogue, rows in dialogues:
        with contextlib.suppress(AnswerPending):
            found.append(rows if rows is not None else await taught(client, dialogue, asked, recipe))
    return found
