"""What a live teacher replied becomes the corpus: an improved reply, or its direct one (arXiv 2507.08151).

*human-improved*: it improved what a person replied. Where people rated that 3, the person's reply and the improved one
are both SFT targets; elsewhere the improved one is preferred to the person's. *llm-improved*: it improved its own
direct reply. 950 of the paper's 1,750 train dialogues, drawn by seed, give SFT targets and the others pairs. *direct*
goes by the human ratings as *human-improved* does, since nobody has rated a reply that was just made. Dialogues without
ratings are drawn in the paper's proportion for all three, and there the teacher's reply alone is a target.
"""

from __future__ import annotations

from collections.abc import Sequence

from empathic.corpus.rows import Corpus, Row, example, pair, rating
from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.recipe import Method
from empathic.teacher.live import origin_of

_SHARE = 950 / 1750


def build(dialogues: Sequence[Dialogue], method: Method, seed: int) -> Corpus:
    """The corpus of the train dialogues that the teacher replied to.

    Args:
        dialogues: dialogues with their replies; test dialogues are passed over.
        method: which of the three, and whom to prefer the teacher's reply to (the first of `rejected`).
        seed: draws the dialogues of SFT, where ratings don't say.

    Raises:
        UserError: no reply to prefer the teacher's to, or nothing left to learn from.
    """
    train = [d for d in dialogues if d.split == "train"]
    rejected, taught = method.rejected[0], origin_of(method)
    if not any(rejected in d.replies for d in train):
        raise UserError(f"method.rejected: no train dialogue has a reply of {rejected!r} to prefer the teacher's to")
    rated = any(rating(d, "human") for d in train)
    if method.name != "llm-improved" and rated:
        targets = {d.id for d in train if rating(d, "human") == 3}
    else:
        targets = _drawn(train, seed)
    sft: list[Row] = []
    pairs: list[Row] = []
    for d in train:
        if taught not in d.replies:
            continue
        if d.id in targets:
            sft += [example(d, "human")] if rated and "human" in d.replies else []
            sft.append(example(d, taught))
        elif rejected in d.replies and d.replies[rejected].text != d.replies[taught].text:
            pairs.append(pair(d, taught, rejected))
    counts = {"sft_dialogues": len({row["id"] for row in sft}), "sft": len(sft), "preferences": len(pairs)}
    return Corpus(sft, pairs, {taught: counts}).checked(len(train), None)


def _drawn(train: Sequence[Dialogue], seed: int) -> set[str]:
    """The ids that pandas' `sample(n, random_state=seed)` draws from a table of the dialogues in their order."""
    import numpy

    drawn = numpy.random.RandomState(seed).choice(len(train), round(_SHARE * len(train)), replace=False)
    return {train[index].id for index in drawn}
