"""Texts in, the gate's data file out: tables and patterns from `rules.yaml`, weights by `net`, lines by `limits`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from empathic.errors import UserError
from empathic.safety import limits, model, net, spec
from empathic.safety.net import Seen
from empathic.safety.normalise import Normaliser
from empathic.safety.patterns import Patterns
from empathic.safety.texts import Text

WORDS = 700  # of the vocabulary that joined letters are parted into
Log = Callable[[str], None]


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


def seen(texts: Sequence[Text], normalise: Normaliser, patterns: Patterns) -> list[Seen]:
    """Every turn of the texts as the weights see it."""
    found = []
    for text in texts:
        target = tuple(model.CLASSES.index(name) for name in text.target())
        for turn in text.turns:
            plain = normalise(turn)
            found.append(Seen(plain.split(" "), patterns.find(plain), target))
    return found


def build(
    texts: Sequence[Text], harmless: Sequence[Text], unseen: Sequence[Text], scripts: Sequence[Text], log: Log
) -> dict[str, Any]:
    """The whole specification.

    Args:
        texts: messages with labels.
        harmless: messages that are known to be no crisis, in great number: without them bland ones are taken for one.
        unseen: the same, to draw the lines on.
        scripts: conversations with labels, to choose how evidence is carried.
        log: told of each step.

    Raises:
        UserError: there is no crisis among the texts, or nothing to draw the lines on.
    """
    if not unseen or not any(text.label == "crisis" for text in texts):
        raise UserError("want messages with the label crisis, and harmless ones to draw the lines on")
    normalise, patterns, made = tables(texts)
    known = seen([*texts, *harmless], normalise, patterns)
    log(f"{len(texts)} texts, {len(harmless)} harmless conversations: {len(known)} messages")
    made["model"] = net.fit(known, len(patterns), log)
    log("drawing the lines")
    return {**made, "limits": limits.choose(made, unseen, scripts)}
