"""The linear model: what its classes get for a plain text. Weights have 8 bits, so that sums are exact."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from empathic.safety import features
from empathic.safety.patterns import Hits

CLASSES = ("ordinary", "distress", "past", "harmful", "self", "eating", "abuse", "others", "someone")
SAFE, CRISIS = CLASSES[:3], CLASSES[4:]
WINDOW, STEP = 30, 15  # words
PATTERN = 0.25  # what a pattern's hit counts, beside 1/sqrt(n) of a bucket's


class Model:
    """Scores in natural logarithms of odds: above 0 means likelier than all that is safe."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Take the specification's `model`.

        Raises:
            ValueError: its numbers don't fit together.
        """
        count = len(CLASSES)
        if list(spec["classes"]) != list(CLASSES) or spec["bits"] != features.BITS:
            raise ValueError("other classes or another hash than this program's")
        weights = np.frombuffer(base64.b64decode(spec["weights"], validate=True), dtype=np.int8)
        self._rows = weights.reshape(-1, count).astype(np.int32)
        hits = np.frombuffer(base64.b64decode(spec["patterns"], validate=True), dtype=np.int8)
        self._patterns = hits.reshape(-1, count).astype(np.int32)
        self._bias, self._scale, self._hit_scale = (
            np.array(spec[name], float) for name in ("bias", "scale", "hit_scale")
        )
        self._row = {bucket: row for row, bucket in enumerate(unpacked(base64.b64decode(spec["buckets"])))}
        if len(self._row) != len(self._rows) or self._bias.shape != (count,) or self._scale.shape != (count,):
            raise ValueError("weights and buckets differ in number")

    def logits(self, words: Sequence[str], hits: Sequence[int]) -> list[float]:
        """What each class gets for these words and hits."""
        found = features.buckets(words)
        rows = [row for bucket in found if (row := self._row.get(bucket)) is not None]
        total = self._rows[rows].sum(axis=0) if rows else np.zeros(len(CLASSES), dtype=np.int32)
        ours = self._patterns[list(hits)].sum(axis=0) if hits else np.zeros(len(CLASSES), dtype=np.int32)
        found_logits: list[float] = (
            self._bias + self._scale * total / math.sqrt(max(1, len(found))) + self._hit_scale * ours
        ).tolist()
        return found_logits

    def best(self, text: str, hits: Hits) -> list[float]:
        """The logits of a whole text, or of the piece of it in which danger stands out most."""
        words = text.split(" ")
        return max((self.logits(piece, hits.numbers) for piece in pieces(words)), key=danger)


def pieces(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """The words, and where they are many, windows over them too."""
    yield words
    if len(words) > WINDOW + STEP:
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
