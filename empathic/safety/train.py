"""Texts in, the gate's data file out: the same texts give the same bytes.

Multinomial logistic regression with an L2 penalty over hashed buckets and the patterns' hits, where a text may be known
to be of one of several classes only (its likelihood is then that of all of them together). The buckets that weigh most
are kept, fitted once more and rounded to 8 bits. `limits` draws the lines, on messages that the weights have not seen.
"""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, sparse

from empathic.errors import UserError
from empathic.safety import features, limits, model, spec
from empathic.safety.normalise import Normaliser
from empathic.safety.patterns import Hits, Patterns
from empathic.safety.texts import Text

PENALTY = 0.05
KEPT = 15_000  # buckets
SEEN = 3  # a bucket of fewer texts is left out
HARMLESS = 0.3  # what a harmless message weighs beside one with a label
WORDS = 700  # of the vocabulary that joined letters are parted into
Log = Callable[[str], None]


@dataclass(frozen=True)
class Seen:
    """A training text as the weights see it."""

    words: list[str]
    hits: Hits
    target: tuple[int, ...]
    weight: float


@dataclass(frozen=True)
class Weights:
    """What a fit found: a row a bucket, a row a pattern, and the classes' biases."""

    buckets: list[int]
    rows: np.ndarray
    patterns: np.ndarray
    bias: np.ndarray


def tables(texts: Sequence[Text]) -> tuple[Normaliser, Patterns, dict[str, Any]]:
    """The hand-written half, compiled, with a vocabulary of these texts' commonest words."""
    rules = spec.rules()
    plain = Normaliser(spec.normal(rules, []))
    counts = Counter(
        word
        for text in texts
        if text.label in ("crisis", "distress")
        for turn in text.turns
        for word in plain(turn).split()
    )
    extra = {"i", "a", "kms", "ctb", "od", "die", "suicide", "suicidal"}
    common = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if len(word) > 1]
    normal = spec.normal(rules, sorted(extra.union(word for word in common[:WORDS] if word.isalpha())))
    normalise = Normaliser(normal)
    compiled = spec.patterns(rules, normalise)
    languages = {name: words.split() for name, words in rules["languages"].items()}
    return (
        normalise,
        Patterns(compiled),
        {"format": spec.FORMAT, "normal": normal, "patterns": compiled, "languages": languages},
    )


def seen(texts: Sequence[Text], normalise: Normaliser, patterns: Patterns, weight: float = 1.0) -> list[Seen]:
    """Every turn of the texts as the weights see it."""
    found = []
    for text in texts:
        target = tuple(model.CLASSES.index(name) for name in text.target())
        for turn in text.turns:
            plain = normalise(turn)
            found.append(Seen(plain.split(" "), patterns.find(plain), target, weight))
    return found


def matrix(texts: Sequence[Seen], columns: dict[int, int], patterns: int) -> sparse.csr_matrix:
    """The texts as rows: 1/sqrt(n) for each of their n buckets that has a column, then the hits."""
    data, indices, starts = [], [], [0]
    for text in texts:
        found = features.buckets(text.words)
        known = sorted(columns[bucket] for bucket in found if bucket in columns)
        indices += known + [len(columns) + hit for hit in text.hits.numbers]
        data += [1 / math.sqrt(max(1, len(found)))] * len(known) + [model.PATTERN] * len(text.hits.numbers)
        starts.append(len(indices))
    return sparse.csr_matrix((data, indices, starts), shape=(len(texts), len(columns) + patterns))


def solve(rows: sparse.csr_matrix, texts: Sequence[Seen], penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """The weights and biases that make the texts' classes likeliest, less the penalty."""
    allowed = np.zeros((len(texts), len(model.CLASSES)))
    for number, text in enumerate(texts):
        allowed[number, list(text.target)] = 1.0
    weight = np.array([text.weight for text in texts])[:, None]
    width, classes = rows.shape[1], len(model.CLASSES)
    across = rows.T.tocsr()

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[: width * classes].reshape(width, classes), flat[width * classes :]
        logits = rows @ weights + bias
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        ours = likely * allowed
        right = ours.sum(axis=1, keepdims=True) + 1e-12
        slope = weight * (likely - ours / right)
        value = -(weight * np.log(right)).sum() + penalty / 2 * (weights**2).sum()
        return float(value), np.concatenate([(across @ slope + penalty * weights).ravel(), slope.sum(axis=0)])

    start = np.zeros((width + 1) * classes)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 150, "maxfun": 200}).x
    return found[: width * classes].reshape(width, classes), found[width * classes :]


def fit(texts: Sequence[Seen], patterns: int) -> Weights:
    """Fit, keep the buckets that weigh most, and fit those again."""
    counts = Counter(bucket for text in texts for bucket in features.buckets(text.words))
    wide = sorted(bucket for bucket, count in counts.items() if count >= SEEN)
    weights, _ = solve(matrix(texts, _numbered(wide), patterns), texts, PENALTY)
    worth = np.abs(weights[: len(wide)]).max(axis=1) * np.sqrt([counts[bucket] for bucket in wide])
    best = np.argsort(-worth, kind="stable")[:KEPT]
    select = sorted(wide[number] for number in best)
    weights, bias = solve(matrix(texts, _numbered(select), patterns), texts, PENALTY)
    return Weights(select, weights[: len(select)], weights[len(select) :], bias)


def _numbered(buckets: Sequence[int]) -> dict[int, int]:
    """The column of each bucket."""
    return {bucket: number for number, bucket in enumerate(buckets)}


def rounded(found: Weights) -> dict[str, Any]:
    """The weights in whole numbers of 8 bits, as the specification's `model`; a scale a class."""

    def eight_bits(rows: np.ndarray) -> tuple[str, np.ndarray]:
        scale = np.maximum(np.abs(rows).max(axis=0), 1e-9) / 127
        return base64.b64encode(np.round(rows / scale).astype(np.int8).tobytes()).decode(), scale

    weights, scale = eight_bits(found.rows)
    patterns, hit_scale = eight_bits(found.patterns * model.PATTERN)
    numbers = {"bias": found.bias, "scale": scale, "hit_scale": hit_scale}
    return {
        "classes": list(model.CLASSES),
        "bits": features.BITS,
        **{name: [round(float(one), 9) for one in values] for name, values in numbers.items()},
        "buckets": base64.b64encode(model.packed(found.buckets)).decode(),
        "weights": weights,
        "patterns": patterns,
    }


def build(
    texts: Sequence[Text], harmless: Sequence[Text], unseen: Sequence[Text], scripts: Sequence[Text], log: Log
) -> dict[str, Any]:
    """The whole specification.

    Args:
        texts: messages with labels.
        harmless: messages that are known to be no crisis, in great number; they weigh `HARMLESS` each.
        unseen: the same, to draw the lines on.
        scripts: conversations with labels, to choose how evidence is carried.
        log: told of each step.

    Raises:
        UserError: there is no crisis among the texts, or nothing to draw the lines on.
    """
    if not unseen or not any(text.label == "crisis" for text in texts):
        raise UserError("want messages with the label crisis, and harmless ones to draw the lines on")
    normalise, patterns, made = tables(texts)
    log(f"{len(texts)} texts, {len(harmless)} harmless conversations")
    known = seen(texts, normalise, patterns) + seen(harmless, normalise, patterns, HARMLESS)
    log(f"{len(known)} messages; fitting")
    made["model"] = rounded(fit(known, len(patterns)))
    log("drawing the lines")
    return {**made, "limits": limits.choose(made, unseen, scripts)}
