"""A live teacher: asked by a strategy, dialogue by dialogue, and its answers cleaned.

Many dialogues are in the air at once and come back in their order, so that memory doesn't grow with their number. One
that gets no usable answer is put aside with the reason, and the others go on.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Any

from empathic.dialogues import Dialogue
from empathic.endpoints.chat_api import Answer, InvalidResponse, Request
from empathic.endpoints.client import Client
from empathic.endpoints.generator import AnswerPending, Generator, NoRoomToAnswer, RequestFailed
from empathic.endpoints.in_order import in_order, run
from empathic.recipe import Method, Recipe
from empathic.teacher import strategies
from empathic.teacher.clean import Cleaned, clean
from empathic.teacher.journal import Known
from empathic.teacher.strategies import Strategy

Row = dict[str, Any]
DIRECT, IMPROVED = "direct", "improved"  # the origins of a live teacher's replies

_WRITTEN = 45  # tokens of a reply of 28 words, with some to spare
_APART = 1000  # seeds between samples, room for those of answers asked for again
_AHEAD = 16  # dialogues begun for each request in flight, so that a slow one holds up nobody


def origin_of(method: Method) -> str:
    """The origin of the replies that a method's corpus is made of."""
    return DIRECT if method.name == "direct" else IMPROVED


def strategies_of(recipe: Recipe) -> tuple[Strategy, ...]:
    """The strategies that a recipe's method takes one after another.

    Raises:
        UserError: an unknown strategy, or a prompt file that can't work.
    """
    asked = {
        "direct": (DIRECT,),
        "human-improved": (recipe.strategy,),
        "llm-improved": (DIRECT, recipe.strategy),
    }[recipe.method.name]
    return tuple(strategies.load_strategy(name, recipe.teacher.prompts) for name in asked)


def replies(
    dialogues: Iterable[Known], recipe: Recipe, client: Client, advance: Callable[[], None] = lambda: None
) -> Iterator[list[Row]]:
    """What a live teacher replies to each dialogue, in their order.

    Args:
        dialogues: those of the train split, each with its rows where they are known already; *human-improved* passes
            over those without a reply to improve.
        recipe: method, strategy, sampling and seed.
        client: the teacher's, not yet entered.
        advance: called once a dialogue.

    Yields:
        A dialogue's rows: `id, teacher, reply, rating, strategy, turns` for each strategy (`dimension` where the
        teacher picked one, `samples` where it gave several, of which `reply` is the first); the last is `id, aside`
        for a dialogue that was put aside.

    Raises:
        UserError: as `Client.answer` does.
    """
    rest = iter(dialogues)
    for dialogue, known in rest:
        if known is None:
            rest = itertools.chain([(dialogue, None)], rest)
            break
        yield known
        advance()
    for rows in run(_replies(rest, recipe, client)):
        yield rows
        advance()


async def _replies(dialogues: Iterable[Known], recipe: Recipe, client: Client) -> AsyncGenerator[list[Row], None]:
    asked = strategies_of(recipe)
    calls = (taught(client, dialogue, asked, recipe) if rows is None else _known(rows) for dialogue, rows in dialogues)
    async with client, aclosing(in_order(calls, _AHEAD * client.endpoint.max_connections)) as stream:
        async for rows in stream:
            yield rows


def _known(rows: list[Row]) -> asyncio.Future[list[Row]]:
    found = asyncio.get_running_loop().create_future()
    found.set_result(rows)
    return found


async def taught(client: Generator, dialogue: Dialogue, asked: tuple[Strategy, ...], recipe: Recipe) -> list[Row]:
    """The rows of one dialogue; each strategy starts from the reply of the one before.

    Raises:
        AnswerPending: some are still to come.
    """
    origin = recipe.method.rejected[0]
    reply = dialogue.replies[origin].text if origin in dialogue.replies else ""
    if asked[0].improves and not reply:
        return []
    rows: list[Row] = []
    for strategy in asked:
        samples = recipe.teacher.best_of if strategy is asked[-1] else 1
        found, why = [], ""
        pending: AnswerPending | None = None
        for sample in range(samples):
            try:
                found.append(await _conversation(client, dialogue, strategy, reply, recipe, sample))
            except AnswerPending as error:
                pending = error  # the other samples don't wait for this one
            except RequestFailed as error:
                why = f"{strategy.name}: {error}"
                if isinstance(error, NoRoomToAnswer):
                    why += f"; raise teacher.max_tokens, which is {recipe.teacher.max_tokens}"
        if pending:
            raise pending
        if not found:
            return [*rows, {"id": dialogue.id, "aside": why}]
        reply = found[0][-1].text
        rows.append(_row(dialogue, strategy, found))
    return rows


async def _conversation(
    client: Generator, dialogue: Dialogue, strategy: Strategy, reply: str, recipe: Recipe, sample: int
) -> list[Cleaned]:
    """A strategy's turns, each cleaned; the teacher sees its own answers as it gave them. Samples differ by seed."""
    messages: list[dict[str, str]] = []
    turns: list[Cleaned] = []
    for turn in range(len(strategy.turns)):
        messages.append({"role": "user", "content": strategy.ask(turn, dialogue, reply)})
        seed = recipe.seed + _APART * sample
        grammar = strategies.PICK if strategy.picks else ""
        request = Request(list(messages), recipe.teacher.max_tokens, recipe.teacher.temperature, 0, seed, grammar)
        before = turns[-1].text if turns else reply

        def cleaned(answer: Answer, before: str = before) -> Cleaned:
            if answer.finish == "length":
                raise InvalidResponse(f"the answer was cut off at teacher.max_tokens ({recipe.teacher.max_tokens})")
            return clean(answer.text, strategy.picks, before)

        answer = await client.answer(request, f"teacher/{strategy.name}", cleaned)
        turns.append(cleaned(answer))
        messages.append({"role": "assistant", "content": answer.text})
    return turns


def _row(dialogue: Dialogue, strategy: Strategy, samples: list[list[Cleaned]]) -> Row:
    turns = samples[0]
    row: Row = {
        "id": dialogue.id,
        "teacher": IMPROVED if strategy.improves else DIRECT,
        "reply": turns[-1].text,
        "rating": None,
        "strategy": f"{strategy.name} {strategy.version}",
        "turns": [turn.text for turn in turns],
    }
    if turns[-1].dimension:
        row["dimension"] = turns[-1].dimension
    if len(samples) > 1:
        row["samples"] = [sample[-1].text for sample in samples]
    return row


def origins_of(recipe: Recipe) -> set[str]:
    """The origins of all that a teacher replies, the replies that it improves itself too."""
    return {IMPROVED if strategy.improves else DIRECT for strategy in strategies_of(recipe)}


def estimate(dialogues: Iterable[Dialogue], recipe: Recipe) -> tuple[int, tuple[int, int]]:
    """About how many requests a teacher would get, and tokens it would read and write, each asked once."""
    asked = strategies_of(recipe)
    origin, count, read, written = recipe.method.rejected[0], 0, 0, 0
    for dialogue in dialogues:
        known = dialogue.replies[origin].text if origin in dialogue.replies else ""
        if asked[0].improves and not known:
            continue
        for strategy in (*asked, *asked[-1:] * (recipe.teacher.best_of - 1)):
            before = 0
            for turn in range(len(strategy.turns)):
                before += len(strategy.ask(turn, dialogue, known)) // 4
                count, read, written = count + 1, read + before, written + _WRITTEN
                before += _WRITTEN
    return count, (read, written)
