"""Near-duplicates among many replies: MinHash proposes earlier ones, and an exact comparison decides.

Two replies are compared by the Jaccard overlap of their five-word phrases. Each against each takes a time that grows
with the square of their number. So an index of MinHash signatures (Broder 1997) proposes the few that may be close: two
replies are proposed to each other where a band of their signatures is the same (Leskovec, Rajaraman and Ullman, *Mining
of Massive Datasets*, chapter 3).
"""

from __future__ import annotations

import hashlib
import itertools
import math
from array import array
from collections.abc import Iterator
from typing import Any

from empathic.text import phrases

MISSED = 1e-3  # how rarely two replies whose overlap is the threshold itself may go unproposed
_LONGEST = 256  # values of a signature, at most: memory and time grow with it
_MOST = 200  # earlier replies that one is compared with: thousands begin with the same phrase and are not close


def bands(threshold: float) -> tuple[int, int]:
    """How many bands a signature has and how many values each, for a threshold.

    Long bands propose few pairs that are not close, but many of them are needed: two replies with overlap `s` go
    unproposed with probability (1 - s ** values) ** bands. Of all lengths that miss at most `MISSED` at the threshold,
    the longest is taken.
    """
    found = (_LONGEST, 1)
    for values in range(1, 17):
        miss = 1 - threshold**values
        count = math.ceil(math.log(MISSED) / math.log(miss)) if 0 < miss < 1 else 1 if miss == 0 else _LONGEST + 1
        if count * values <= _LONGEST:
            found = (count, values)
    return found


class NearDuplicates:
    """Replies that were kept, against which a new one is held.

    Args:
        threshold: the overlap above which a reply is too close to an earlier one, 0 to 1.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._bands, self._values = bands(threshold)
        self._kept: list[array[int]] = []
        self._with: dict[int, int | list[int]] = {}
        self._blank: Any = None

    def add(self, reply: str) -> bool:
        """Keep a reply, unless its overlap with one that was kept is above the threshold; says whether it is kept."""
        own = {_hash(" ".join(phrase)) for phrase in phrases(reply)}
        if not own:
            return True
        keys = self._keys(own)
        if any(self._overlap(own, self._kept[number]) > self.threshold for number in self._proposed(keys)):
            return False
        for key in keys:
            before = self._with.get(key)
            if before is None:
                self._with[key] = len(self._kept)  # most bands are one reply's alone: no list for them
            elif isinstance(before, int):
                self._with[key] = [before, len(self._kept)]
            else:
                before.append(len(self._kept))
        self._kept.append(array("Q", own))
        return True

    def _proposed(self, keys: list[int]) -> Iterator[int]:
        """Earlier replies that have a band in common, those in the rarest bands first, and at most `_MOST`."""
        found = [self._with[key] for key in keys if key in self._with]
        shared = sorted(([one] if isinstance(one, int) else one for one in found), key=len)
        seen: set[int] = set()
        for number in itertools.chain.from_iterable(shared):
            if number not in seen:
                seen.add(number)
                yield number
                if len(seen) == _MOST:
                    return

    def _overlap(self, own: set[int], other: array[int]) -> float:
        both = len(own.intersection(other))
        return both / (len(own) + len(other) - both)

    def _keys(self, own: set[int]) -> list[int]:
        """A number for each band of the phrases' signature; the same phrases have the same."""
        from datasketch import MinHash

        if self._blank is None:
            self._blank = MinHash(self._bands * self._values, seed=1, scheme="affine64", hashfunc=int)
        signature = self._blank.copy()
        signature.update_batch(own)
        data, size = signature.hashvalues.tobytes(), self._values * 8
        return [hash((number, data[number * size : (number + 1) * size])) for number in range(self._bands)]


def _hash(phrase: str) -> int:
    """A phrase as a number of 64 bits: of a million replies' phrases, two share one less than once in 100,000 runs."""
    return int.from_bytes(hashlib.blake2b(phrase.encode(), digest_size=8).digest(), "little")
