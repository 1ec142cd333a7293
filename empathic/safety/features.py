"""A plain text as numbers: one a word, and one for each piece of it, so that a misspelt word is near the right one.

The hash is FNV-1a, 32 bits, over UTF-8 bytes (Fowler, Noll, Vo: prime 16777619, basis 2166136261). `reader.js` makes
the same numbers.
"""

from __future__ import annotations

from functools import lru_cache

BITS = 22  # of a word's number
PIECES = 2048  # numbers that pieces share
_LENGTHS = (3, 4)  # of pieces, in bytes
_LONGEST = 16  # bytes of a word that pieces are taken from
_PRIME, _BASIS, _WORD32 = 16777619, 2166136261, 0xFFFFFFFF


def fnv(data: bytes) -> int:
    """FNV-1a of bytes, 32 bits."""
    number = _BASIS
    for byte in data:
        number = (number ^ byte) * _PRIME & _WORD32
    return number


@lru_cache(maxsize=1 << 15)
def numbers(word: str) -> tuple[int, tuple[int, ...]]:
    """A word's number, and those of its pieces, with `<` before its beginning and `>` after its end."""
    data = word.encode()
    hashed = fnv(data)
    inner = b"<" + data[:_LONGEST] + b">"
    pieces = tuple(
        fnv(inner[start : start + length]) % PIECES for length in _LENGTHS for start in range(len(inner) - length + 1)
    )
    return (hashed ^ hashed >> BITS) & ((1 << BITS) - 1), pieces
