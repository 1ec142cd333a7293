"""What a live teacher replied becomes the corpus: an improved reply, or its direct one (arXiv 2507.08151).

*human-improved*: it improved what a person replied. Where people rated that 3, the person's reply and the improved one
are both SFT targets; elsewhere the improved one is preferred to the person's. *llm-improved*: it improved its own
direct reply. 950 of the paper's 1,750 train dialogues, drawn by seed, give SFT targets and the others pairs. *direct*
goes by the human ratings as *human-improved* does, since nobody has rated a reply that was just made. Dialogues without
ratings are drawn in the paper's proportion for all three, and there the teacher's reply alone is a target.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from empathic.corpus.reasons import Reasons, lacking, of_rating, of_texts
from empathic.corpus.rows import Made, example, pair, rating
from empathic.dialogues import Source
from empathic.errors import UserError
from empathic.recipe import Method
from empathic.recipe.steps import EXAMPLES, PARTS, PREFERENCES
from empathic.teacher.live import origin_of

_SHARE = 950 / 1750


def build(train: Source, method: Method, seed: int, reasons: Reasons | None = None) -> Iterator[Made]:
    """The corpus of the train dialogues that the teacher replied to.

    Args:
        train: dialogues with their replies.
        method: which of the three, and whom to prefer the teacher's reply to (the first of `rejected`).
        seed: draws the dialogues of SFT, where ratings don't say.
        reasons: told of every dialogue that gives a part nothing.

    Raises:
        UserError: no reply to prefer the teacher's to.
    """
    reasons = reasons or Reasons()
    rejected, taught = method.rejected[0], origin_of(method)
    count, preferable = 0, False
    people: set[str] = set()  # whose replies are rated
    for d in train():
        people.update(origin for origin in ("human", rejected) if rating(d, origin) is not None)
        preferable = preferable or rejected in d.replies
        count += 1
    if not preferable:
        raise UserError(f"method.rejected: no train dialogue has a reply of {rejected!r} to prefer the teacher's to")
    rated = bool(people)
    person = "human" if "human" in people else rejected
    by_ratings = rated and method.name != "llm-improved"
    drawn = None if by_ratings else _drawn(count, seed)
    for index, d in enumerate(train()):
        if taught not in d.replies:
            for part in PARTS:
                reasons.add(part, lacking(taught))
            continue
        unfit = of_rating(d, person) if drawn is None else "" if drawn[index] else "are drawn by lot for pairs"
        if not unfit:
            reasons.add(
                PREFERENCES, f"have a reply of {person!r} rated 3" if drawn is None else "are drawn by lot for SFT"
            )
            if rated and person in d.replies:
                yield Made(EXAMPLES, taught, example(d, person))
            yield Made(EXAMPLES, taught, example(d, taught))
            continue
        reasons.add(EXAMPLES, unfit)
        if why := of_texts(d, taught, rejected):
            reasons.add(PREFERENCES, why)
        else:
            yield Made(PREFERENCES, taught, pair(d, taught, rejected))


def _drawn(count: int, seed: int) -> Any:
    """Which rows pandas' `sample(n, random_state=seed)` draws of a table of `count`: booleans, [count]."""
    import numpy

    drawn = numpy.zeros(count, dtype=bool)
    drawn[numpy.random.RandomState(seed).choice(count, round(_SHARE * count), replace=False)] = True
    return drawn
