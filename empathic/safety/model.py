"""A small convolutional net over word vectors: what its classes get for a plain text.

After Kim, *Convolutional Neural Networks for Sentence Classification* (2014): filters over runs of words, each one's
highest answer, and a linear layer on those, beside the sum of all words and the hits of patterns. A word's vector is
its own and its pieces'. Weights are stored in 4 and 8 bits and computed with in double precision.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from empathic.safety import features
from empathic.safety.patterns import Hits

CLASSES = ("ordinary", "distress", "past", "harmful", "self", "eating", "abuse", "others", "someone")
SAFE, CRISIS = CLASSES[:3], CLASSES[4:]
RUNS = (1, 2, 3, 5)  # words that a filter sees
WINDOW, STEP = 30, 15  # words
PATTERN = 0.25  # what a pattern's hit counts
Array = NDArray[np.float64]


class Model:
    """Scores in natural logarithms of odds: above 0 means likelier than all that is safe."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Take the specification's `model`.

        Raises:
            ValueError: its numbers don't fit together.
        """
        if list(spec["classes"]) != list(CLASSES) or spec["hash"] != [features.BITS, features.PIECES]:
            raise ValueError("other classes or another hash than this program's")
        width = spec["width"]
        self._words, self._pieces = (_four_bits(spec[name], width) for name in ("words", "pieces"))
        self._row = {number: row for row, number in enumerate(unpacked(base64.b64decode(spec["numbers"])))}
        if len(self._row) != len(self._words) or len(self._pieces) != features.PIECES:
            raise ValueError("words and their vectors differ in number")
        filters = spec["filters"]
        self._filters = [
            (_eight_bits(one["weights"], filters).reshape(filters, run * width).T.copy(), np.array(one["bias"], float))
            for run, one in zip(RUNS, spec["runs"], strict=True)
        ]
        self._out = _eight_bits(spec["out"], len(CLASSES))
        self._hits = _eight_bits(spec["hits"], len(CLASSES)) * PATTERN
        self._bias = np.array(spec["bias"], float)
        if self._out.shape[1] != filters * len(RUNS) + width or self._bias.shape != (len(CLASSES),):
            raise ValueError("layers differ in width")
        self._vector = lru_cache(maxsize=1 << 14)(self._made)

    def _made(self, word: str) -> Array:
        """A word's vector."""
        number, pieces = features.numbers(word)
        row = self._row.get(number)
        vector = np.zeros(self._words.shape[1]) if row is None else self._words[row]
        return vector + self._pieces[list(pieces)].sum(axis=0) / math.sqrt(len(pieces)) if pieces else vector

    def logits(self, words: Sequence[str], hits: Sequence[int]) -> list[float]:
        """What each class gets for these words (one at least) and hits."""
        of_words = np.stack([self._vector(word) for word in words])
        count, width = of_words.shape
        around = np.zeros((count + 2 * (RUNS[-1] - 1), width))
        around[RUNS[-1] - 1 : RUNS[-1] - 1 + count] = of_words
        seen = []
        for run, (weights, bias) in zip(RUNS, self._filters, strict=True):
            inner = around[RUNS[-1] - run : len(around) - (RUNS[-1] - run)]
            runs = np.lib.stride_tricks.sliding_window_view(inner.ravel(), run * width)[::width]
            seen.append(np.maximum(0.0, (runs @ weights).max(axis=0) + bias))
        seen.append(of_words.sum(axis=0) / math.sqrt(count))
        found: list[float] = (
            self._out @ np.concatenate(seen) + self._hits[:, list(hits)].sum(axis=1) + self._bias
        ).tolist()
        return found

    def best(self, text: str, hits: Hits) -> list[float]:
        """The logits of a text, or of the part of a long one in which danger stands out most."""
        return max((self.logits(part, hits.numbers) for part in parts(text.split(" "))), key=danger)


def parts(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """The words, or windows over them where they are many."""
    if len(words) <= WINDOW + STEP:
        yield words
    else:
        for start in range(0, len(words) - STEP, STEP):
            yield words[start : start + WINDOW]


def danger(logits: Sequence[float]) -> float:
    """How much likelier any crisis is than all that is safe: a difference of logarithms."""
    return _log_sum(logits[4:]) - _log_sum(logits[:3])


def harm(logits: Sequence[float]) -> float:
    """How much likelier a harmful request is than all that is safe."""
    return logits[3] - _log_sum(logits[:3])


def _log_sum(values: Sequence[float]) -> float:
    most = max(values)
    return most + math.log(sum(math.exp(value - most) for value in values))


def stored_in_four_bits(rows: Array) -> dict[str, Any]:
    """Rows as whole numbers from -7 to 7, two to a byte, the first in the low bits, and a scale of 8 bits a row."""
    most = np.abs(rows).max(axis=1)
    top = float(f"{max(float(most.max()), 1e-9):.9g}")
    scales = np.clip(np.ceil(most / top * 255), 1, 255).astype(np.uint8)
    steps = np.clip(np.round(rows / (scales[:, None] / 255 * top) * 7), -7, 7).astype(np.int64) + 8
    flat = np.pad(steps.ravel(), (0, steps.size % 2), constant_values=8).reshape(-1, 2)
    packed = (flat[:, 0] | flat[:, 1] << 4).astype(np.uint8)
    return {"top": top, "scales": _text(scales), "steps": _text(packed)}


def _four_bits(stored: Mapping[str, Any], width: int) -> Array:
    scales = np.frombuffer(_bytes(stored["scales"]), dtype=np.uint8).astype(float)
    packed = np.frombuffer(_bytes(stored["steps"]), dtype=np.uint8)
    steps = np.stack([packed & 15, packed >> 4], axis=1).ravel()[: len(scales) * width].astype(float) - 8
    found: Array = steps.reshape(len(scales), width) / 7 * (scales[:, None] / 255 * stored["top"])
    return found


def stored_in_eight_bits(rows: Array) -> dict[str, Any]:
    """Rows as whole numbers from -127 to 127, and a scale a row."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-9) / 127
    steps = np.clip(np.round(rows / scales[:, None]), -127, 127).astype(np.int8)
    return {"scales": [float(f"{scale:.5g}") for scale in scales], "steps": _text(steps)}


def _eight_bits(stored: Mapping[str, Any], rows: int) -> Array:
    steps = np.frombuffer(_bytes(stored["steps"]), dtype=np.int8).reshape(rows, -1)
    found: Array = steps * np.array(stored["scales"], float)[:, None]
    return found


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def packed(numbers: Sequence[int]) -> bytes:
    """Rising numbers as differences, seven bits a byte, the lowest first, the eighth bit set where more follow."""
    out, before = bytearray(), -1
    for number in numbers:
        step, before = number - before, number
        while step > 127:
            out.append(step & 127 | 128)
            step >>= 7
        out.append(step)
    return bytes(out)


def unpacked(data: bytes) -> Iterator[int]:
    """What `packed` packed."""
    number, step, shift = -1, 0, 0
    for byte in data:
        step |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            number += step
            yield number
            step = shift = 0
