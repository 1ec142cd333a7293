"""A plain text as a set of numbers: hashed words, runs of two and three words, and pieces of words.

The hash is FNV-1a, 32 bits, over UTF-8 bytes (Fowler, Noll, Vo: prime 16777619, basis 2166136261), folded to
`BITS` bits; a run's hash is made of its words'. `gate.js` makes the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

BITS = 22
PIECES = (3, 4, 5)  # lengths in bytes
LONGEST = 16  # bytes of a word that pieces are taken from
_PRIME, _BASIS, _PIECE, _SKIP, _WORD32 = 16777619, 2166136261, 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


def fnv(data: bytes, basis: int = _BASIS) -> int:
    """FNV-1a of bytes, 32 bits."""
    for byte in data:
        basis = (basis ^ byte) * _PRIME & _WORD32
    return basis


def fold(number: int) -> int:
    """A 32-bit hash in `BITS` bits."""
    return (number ^ number >> BITS) & ((1 << BITS) - 1)


@lru_cache(maxsize=1 << 15)
def _word(word: str) -> tuple[int, frozenset[int]]:
    """A word's hash, and the buckets of the word and its pieces."""
    data = word.encode()
    number = fnv(data)
    found = {fold(number)}
    inner = b"<" + data[:LONGEST] + b">"
    if len(data) > 1:
        for start in range(len(inner) - PIECES[0] + 1):
            piece = fnv(inner[start : start + PIECES[0] - 1], _PIECE)
            for byte in inner[start + PIECES[0] - 1 : start + PIECES[-1]]:
                piece = (piece ^ byte) * _PRIME & _WORD32
                found.add(fold(piece))
    return number, frozenset(found)


def buckets(words: Sequence[str]) -> set[int]:
    """The buckets of a text's words, of its runs of two and three, and of pairs with one word between."""
    found: set[int] = set()
    one = two = 0  # the hashes of the word before and of the one before that
    pair = 0  # of both
    for position, word in enumerate(words):
        number, own = _word(word)
        found |= own
        if position:
            new = one * _PRIME & _WORD32 ^ number
            found.add(fold(new))
            if position > 1:
                found.add(fold(pair * _PRIME & _WORD32 ^ number))
                found.add(fold((two * _PRIME & _WORD32 ^ _SKIP) * _PRIME & _WORD32 ^ number))
            pair = new
        one, two = number, one
    return found
