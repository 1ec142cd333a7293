"""The direct method: recorded replies become the corpus.

With human ratings the paper's rule holds (arXiv 2507.08151): where human and LLM are both rated 3, both replies
are SFT targets; where the human is rated 1 or 2 and the LLM 3, the LLM's reply is preferred to the human's.
Where no reply of `human` is rated, the teacher's replies rated 3 are the targets, and pairs go by the ratings alike.
Without ratings every reply of the teacher is a target, and is preferred to the origin that the recipe names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from empathic.corpus.reasons import Reasons, lacking, of_rating, of_texts
from empathic.corpus.rows import Made, example, pair, rating
from empathic.dialogues import Dialogue, Source
from empathic.dialogues.dialogue import origins_told
from empathic.errors import UserError
from empathic.recipe import Method
from empathic.recipe.steps import EXAMPLES, PREFERENCES


def build(
    train: Source, method: Method, seed: int, pairs_needed: bool = True, reasons: Reasons | None = None
) -> Iterator[Made]:
    """The corpus of the train dialogues, teacher by teacher.

    Args:
        train: dialogues with their replies.
        method: teachers, and whom to prefer them to.
        seed: decides which dialogue meets which of several rejected origins.
        pairs_needed: whether a step learns from pairs; else data without any rejected reply will do.
        reasons: told of every dialogue that gives a part nothing.

    Raises:
        UserError: an origin that no dialogue has.
    """
    reasons = reasons or Reasons()
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
                raise UserError(f"method.{key}: no train dialogue has a reply of {origin!r}; {origins_told(known)}")
    for teacher in method.teachers:
        yield from _sft(train, teacher, (rated, by_people), method.situations, reasons)
        if rejected:
            turns = None if rated else _turns(count, rejected, seed)
            yield from _pairs(train, teacher, rejected, turns, reasons)


def _sft(train: Source, teacher: str, rated: tuple[bool, bool], situations: bool, reasons: Reasons) -> Iterator[Made]:
    """The examples of one teacher; then, where asked for, those with the situation as the message."""
    for d in train():
        targets, why = _targets(d, teacher, rated)
        if why:
            reasons.add(EXAMPLES, why)
        for origin in targets:
            yield Made(EXAMPLES, teacher, example(d, origin))
    for d in train() if situations else ():
        if d.situation and d.situation != d.utterance:
            told = [{"role": "user", "content": d.situation}]
            for origin in _targets(d, teacher, rated)[0]:
                yield Made(EXAMPLES, teacher, {**example(d, origin), "prompt": told}, is_augmentation=True)


def _targets(d: Dialogue, teacher: str, rated: tuple[bool, bool]) -> tuple[tuple[str, ...], str]:
    """Whose replies to a dialogue are targets, by whether any are rated and whether `human` ones are; else why none."""
    origins = ("human", teacher) if rated == (True, True) else (teacher,)
    if rated[0]:
        why = next(filter(None, (of_rating(d, origin) for origin in origins)), "")
    else:
        why = "" if teacher in d.replies else lacking(teacher)
    return (() if why else origins), why


def _pairs(
    train: Source, teacher: str, rejected: Sequence[str], turns: Sequence[int] | None, reasons: Reasons
) -> Iterator[Made]:
    """The pairs of one teacher, by the ratings or each dialogue against the origin whose turn it is."""
    for index, d in enumerate(train()):
        other = rejected[turns[index] if turns else 0]
        by_ratings = turns is None
        why = of_rating(d, teacher) or of_rating(d, other, (1, 2)) if by_ratings else of_texts(d, teacher, other)
        if why:
            reasons.add(PREFERENCES, why)
        else:
            yield Made(PREFERENCES, teacher, pair(d, teacher, other))


def _turns(count: int, rejected: Sequence[str], seed: int) -> bytearray:
    """For each dialogue, which of the rejected origins it meets, in equal parts by lot."""
    turns = bytearray(count)
    for place, index in enumerate(random.Random(seed).sample(range(count), count)):
        turns[index] = place % len(rejected)
    return turns
