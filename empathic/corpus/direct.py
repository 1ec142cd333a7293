"""The direct method: recorded replies become the corpus.

With human ratings the paper's rule holds (arXiv 2507.08151): where human and LLM are both rated 3, both replies
are SFT targets; where the human is rated 1 or 2 and the LLM 3, the LLM's reply is preferred to the human's.
Without ratings every reply of the teacher is a target, and is preferred to the origin that the recipe names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from empathic.corpus.rows import Corpus, Row, example, pair, rating
from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.recipe import Method

_RULES = ("both rated 3", "the teacher's rated 3, the other's 1 or 2")


def build(dialogues: Sequence[Dialogue], method: Method, seed: int) -> Corpus:
    """The corpus of the train dialogues, teacher by teacher.

    Args:
        dialogues: dialogues with their replies; test dialogues are passed over.
        method: teachers, and whom to prefer them to.
        seed: decides which dialogue meets which of several rejected origins.

    Raises:
        UserError: an origin that no dialogue has, or nothing left to learn from.
    """
    train = [d for d in dialogues if d.split == "train"]
    known = {origin for d in train for origin in d.replies}
    rated = any(reply.rating for d in train for reply in d.replies.values())
    for key, origins in (("teachers", method.teachers), ("rejected", method.rejected)):
        for origin in origins:
            if origin not in known:
                raise UserError(
                    f"method.{key}: no train dialogue has a reply of {origin!r}; "
                    f"known: {', '.join(sorted(known)) or 'none'}"
                )
    sft: list[Row] = []
    pairs: list[Row] = []
    by_teacher: dict[str, Row] = {}
    for teacher in method.teachers:
        if rated:
            examples = list(_rated_sft(train, teacher))
            preferred = list(_rated_pairs(train, teacher, method.rejected[0]))
        else:
            examples = [example(d, teacher) for d in train if teacher in d.replies]
            preferred = list(_unrated_pairs(train, teacher, method.rejected, seed))
        if method.situations:
            examples += list(_told_as_situations(train, examples))
        dialogues_of = {row["id"] for row in examples}
        by_teacher[teacher] = {
            "sft_dialogues": len(dialogues_of),
            "sft": len(examples),
            "preferences": len(preferred),
        }
        sft += examples
        pairs += preferred
    return Corpus(sft, pairs, by_teacher).checked(len(train), _RULES if rated else None)


def _rated_sft(train: Sequence[Dialogue], teacher: str) -> Iterator[Row]:
    for d in train:
        if rating(d, "human") == 3 and rating(d, teacher) == 3:
            yield example(d, "human")
            yield example(d, teacher)


def _rated_pairs(train: Sequence[Dialogue], teacher: str, rejected: str) -> Iterator[Row]:
    for d in train:
        if rating(d, rejected) in (1, 2) and rating(d, teacher) == 3:
            yield pair(d, teacher, rejected)


def _unrated_pairs(train: Sequence[Dialogue], teacher: str, rejected: Sequence[str], seed: int) -> Iterator[Row]:
    order = random.Random(seed).sample(range(len(train)), len(train))
    turn = {index: rejected[place % len(rejected)] for place, index in enumerate(order)}
    for index, d in enumerate(train):
        other = turn[index]
        if teacher in d.replies and other in d.replies and d.replies[teacher].text != d.replies[other].text:
            yield pair(d, teacher, other)


def _told_as_situations(train: Sequence[Dialogue], examples: Sequence[Row]) -> Iterator[Row]:
    situations = {d.id: d.situation for d in train if d.situation and d.situation != d.utterance}
    for row in examples:
        if row["id"] in situations:
            yield {**row, "prompt": [{"role": "user", "content": situations[row["id"]]}]}
