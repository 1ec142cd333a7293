"""The direct method: recorded replies become the corpus.

With human ratings the paper's rule holds (arXiv 2507.08151): where human and LLM are both rated 3, both replies
are SFT targets; where the human is rated 1 or 2 and the LLM 3, the LLM's reply is preferred to the human's.
Where no reply of `human` is rated, the teacher's replies rated 3 are the targets, and pairs go by the ratings alike.
Without ratings every reply of the teacher is a target, and is preferred to the origin that the recipe names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from empathic.corpus.rows import Made, example, pair, rating
from empathic.dialogues import Dialogue, Source
from empathic.errors import UserError
from empathic.recipe import Method
from empathic.recipe.steps import EXAMPLES, PREFERENCES


def build(train: Source, method: Method, seed: int, pairs_needed: bool = True) -> Iterator[Made]:
    """The corpus of the train dialogues, teacher by teacher.

    Args:
        train: dialogues with their replies.
        method: teachers, and whom to prefer them to.
        seed: decides which dialogue meets which of several rejected origins.
        pairs_needed: whether a step learns from pairs; else data without any rejected reply will do.

    Raises:
        UserError: an origin that no dialogue has.
    """
    known: set[str] = set()
    count, rated, by_people = 0, False, False
    for d in train():
        known |= d.replies.keys()
        rated = rated or any(reply.rating for reply in d.replies.values())
        by_people = by_people or rating(d, "human") is not None
        count += 1
    rejected = method.rejected if pairs_needed or not known.isdisjoint(method.rejected) else []
    for key, origins in (("teachers", method.teachers), ("rejected", rejected)):
        for origin in origins:
            if origin not in known:
                raise UserError(
                    f"method.{key}: no train dialogue has a reply of {origin!r}; "
                    f"known: {', '.join(sorted(known)) or 'none'}"
                )
    for teacher in method.teachers:
        yield from _sft(train, teacher, (rated, by_people), method.situations)
        if rejected:
            yield from _pairs(train, teacher, rejected, None if rated else _turns(count, rejected, seed))


def _sft(train: Source, teacher: str, rated: tuple[bool, bool], situations: bool) -> Iterator[Made]:
    """The examples of one teacher; then, where asked for, those with the situation as the message."""
    for d in train():
        for origin in _targets(d, teacher, rated):
            yield Made(EXAMPLES, teacher, example(d, origin))
    for d in train() if situations else ():
        if d.situation and d.situation != d.utterance:
            told = [{"role": "user", "content": d.situation}]
            for origin in _targets(d, teacher, rated):
                yield Made(EXAMPLES, teacher, {**example(d, origin), "prompt": told}, is_augmentation=True)


def _targets(d: Dialogue, teacher: str, rated: tuple[bool, bool]) -> tuple[str, ...]:
    """Whose replies to a dialogue are targets, by whether any are rated and whether `human` ones are."""
    if rated == (True, False):
        return (teacher,) if rating(d, teacher) == 3 else ()
    if rated[0]:
        return ("human", teacher) if rating(d, "human") == 3 and rating(d, teacher) == 3 else ()
    return (teacher,) if teacher in d.replies else ()


def _pairs(train: Source, teacher: str, rejected: Sequence[str], turns: Sequence[int] | None) -> Iterator[Made]:
    """The pairs of one teacher, by the ratings or each dialogue against the origin whose turn it is."""
    for index, d in enumerate(train()):
        other = rejected[turns[index] if turns else 0]
        if turns is None:
            fits = rating(d, other) in (1, 2) and rating(d, teacher) == 3
        else:
            fits = {teacher, other} <= d.replies.keys() and d.replies[teacher].text != d.replies[other].text
        if fits:
            yield Made(PREFERENCES, teacher, pair(d, teacher, other))


def _turns(count: int, rejected: Sequence[str], seed: int) -> bytearray:
    """For each dialogue, which of the rejected origins it meets, in equal parts by lot."""
    turns = bytearray(count)
    for place, index in enumerate(random.Random(seed).sample(range(count), count)):
        turns[index] = place % len(rejected)
    return turns
