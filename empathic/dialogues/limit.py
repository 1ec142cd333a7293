"""Fewer dialogues than there are: a seeded sample of a side, which larger ones contain."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping

from empathic.dialogues.dialogue import Dialogue


def limited(stream: Callable[[], Iterator[Dialogue]], most: Mapping[str, int], seed: int) -> Iterator[Dialogue]:
    """The dialogues of a stream in their order, at most so many of each side that is named.

    A dialogue is drawn by the hash of seed and id, so that a sample doesn't depend on what else there is to draw from.

    Args:
        stream: gives the dialogues anew each time.
        most: the side, such as train, and how many of it to keep.
        seed: of the sample.
    """
    heaps: dict[str, list[tuple[int, int]]] = {side: [] for side in most}
    for number, d in enumerate(stream()):
        if d.split in heaps:
            heap, place = heaps[d.split], (-_lot(d.id, seed), -number)
            if len(heap) < most[d.split]:
                heapq.heappush(heap, place)
            else:
                heapq.heappushpop(heap, place)
    drawn = {-number for heap in heaps.values() for _, number in heap}
    for number, d in enumerate(stream()):
        if d.split not in heaps or number in drawn:
            yield d


def _lot(id: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {id}".encode()).digest()[:8])
