"""Who learns from which dialogue: the paper's split, a seeded random one, a file of ids, or the source's own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from empathic.dialogues.dialogue import Dialogue
from empathic.errors import UserError


def assign(dialogues: Sequence[Dialogue], how: str, test_share: float, seed: int) -> list[Dialogue]:
    """Give every dialogue its split, "train" or "test"; the order stays.

    Args:
        dialogues: dialogues, with the source's own split where it has one.
        how: `own`, `paper`, `random`, or a file with a test id a line.
        test_share: the share of test dialogues in a random split.
        seed: the seed of a random split.

    Raises:
        UserError: the split can't be made from these dialogues, or leaves one side empty.
    """
    if how == "own":
        how = "given" if any(d.split for d in dialogues) else "random"
    if how == "given":
        split = [d if d.split else replace(d, split="train") for d in dialogues]
    elif how == "paper":
        tests = _paper(dialogues)
        split = [replace(d, split="test" if d.id in tests else "train") for d in dialogues]
    elif how == "random":
        tests = _random(dialogues, test_share, seed)
        split = [replace(d, split="test" if d.id in tests else "train") for d in dialogues]
    else:
        tests = _listed(dialogues, Path(how))
        split = [replace(d, split="test" if d.id in tests else "train") for d in dialogues]
    counts = {side: sum(d.split == side for d in split) for side in ("train", "test")}
    for side, count in counts.items():
        if not count:
            raise UserError(f"dialogues.split: no dialogue is left to {side} on ({len(split)} in all); add dialogues")
    return split


def _paper(dialogues: Sequence[Dialogue]) -> set[str]:
    """Test where fewer than two replies are rated 3. It selects on the outcome: a hard slice, no random sample."""
    if not any(r.rating for d in dialogues for r in d.replies.values()):
        raise UserError("dialogues.split: 'paper' needs rated replies, and these have none; use random")
    return {d.id for d in dialogues if sum(r.rating == 3 for r in d.replies.values()) < 2}


def _random(dialogues: Sequence[Dialogue], share: float, seed: int) -> set[str]:
    """A seeded sample of ids, stratified by emotion: of each emotion the share, rounded up or down by lot."""
    dice = random.Random(seed)
    by_emotion: dict[str, list[str]] = {}
    for d in dialogues:
        by_emotion.setdefault(d.emotion, []).append(d.id)
    tests: set[str] = set()
    owed = 0.0
    for emotion in sorted(by_emotion):
        ids = by_emotion[emotion]
        owed += share * len(ids)
        take = min(len(ids), round(owed))
        owed -= take
        tests.update(dice.sample(ids, take))
    if not tests and len(dialogues) > 1:
        tests.add(dice.choice([d.id for d in dialogues]))
    return tests


def _listed(dialogues: Sequence[Dialogue], path: Path) -> set[str]:
    if not path.is_file():
        raise UserError(f"dialogues.split: {path} is no file; want own, paper, random, or a file of test ids")
    try:
        wanted = {line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()}
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8; save it as UTF-8") from error
    unknown = wanted - {d.id for d in dialogues}
    if unknown:
        raise UserError(f"{path}: {len(unknown)} ids are no dialogue's, such as {min(unknown)!r}")
    return wanted
