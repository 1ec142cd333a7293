"""Who learns from which dialogue: the paper's split, a seeded random one, a file of ids, or the source's own."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from empathic import files
from empathic.dialogues.dialogue import Dialogue, Source
from empathic.errors import UserError

NAMES = ("source", "paper", "random")
WANTED = "source, paper, random, or a file of test ids"
_Tested = Callable[[int, Dialogue], bool]  # of a dialogue and its number, whether it is tested on
_HELD_OUT = "validation"  # a source's own: neither learnt from nor tested on, there to choose by


def assign(source: Source, how: str, test_share: float, seed: int) -> Iterator[Dialogue]:
    """Give every dialogue its split, one by one in their order: "train" or "test"; a source's "validation" stays.

    Args:
        source: dialogues, with the source's own split where it has one.
        how: `source`, `paper`, `random`, or a file with a test id a line.
        test_share: the share of test dialogues in a random split.
        seed: the seed of a random split.

    Raises:
        UserError: the split can't be made from these dialogues, or leaves one side empty.
    """
    if how == "source":
        how = "given" if any(d.split for d in source()) else "random"
    if how == "given":
        tested: _Tested = _given
    elif how == "paper":
        tested = _paper(source)
    elif how == "random":
        tested = _random(source, test_share, seed)
    else:
        tested = _listed(source, Path(how))
    counts = Counter({"train": 0, "test": 0})  # and validation, where a source has it
    for number, d in enumerate(source()):
        side = "test" if tested(number, d) else d.split if how == "given" and d.split == _HELD_OUT else "train"
        counts[side] += 1
        yield d if d.split == side else replace(d, split=side)
    for side, count in counts.items():
        if not count:
            mend = "add dialogues, or let split: random draw them" if how == "given" else "add dialogues"
            raise UserError(f"dialogues.split: no dialogue is left to {side} on ({counts.total()} in all); {mend}")


def _given(number: int, d: Dialogue) -> bool:
    return d.split == "test"


def _paper(source: Source) -> _Tested:
    """Test where fewer than two replies are rated 3. It selects on the outcome: a hard slice, no random sample."""
    if not any(r.rating for d in source() for r in d.replies.values()):
        raise UserError("dialogues.split: 'paper' needs rated replies, and these have none; use random")
    return lambda number, d: sum(r.rating == 3 for r in d.replies.values()) < 2


def _random(source: Source, share: float, seed: int) -> _Tested:
    """A seeded sample, stratified by emotion: of each emotion the share, rounded up or down by lot."""
    dice = random.Random(seed)
    by_emotion: dict[str, array[int]] = {}
    count = 0
    for d in source():
        by_emotion.setdefault(d.emotion, array("q")).append(count)
        count += 1
    tests = bytearray(count)
    owed = 0.0
    for emotion in sorted(by_emotion):
        numbers = by_emotion[emotion]
        owed += share * len(numbers)
        take = min(len(numbers), round(owed))
        owed -= take
        for number in dice.sample(numbers, take):
            tests[number] = True
    if not any(tests) and count > 1:
        tests[dice.choice(range(count))] = True
    return lambda number, d: bool(tests[number])


def _listed(source: Source, path: Path) -> _Tested:
    files.check_readable(path, "dialogues.split", WANTED)
    try:
        wanted = {line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()}
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8; save it as UTF-8") from error
    unknown = wanted - {d.id for d in source() if d.id in wanted}
    if unknown:
        raise UserError(f"{path}: {len(unknown)} ids are no dialogue's, such as {min(unknown)!r}")
    return lambda number, d: d.id in wanted
