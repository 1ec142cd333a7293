"""How far a file's next-token distributions are from the merged model's, as the engine that ships it computes them.

Decoding is forced: both read the merged model's own greedy replies, so that one flipped word doesn't make the rest
incomparable. Perplexity is on what people wrote, in its place in the prompt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from empathic.errors import UserError
from empathic.phone.logits import Logits
from empathic.student import examples, prompt

Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Followed:
    """A dialogue as the merged model went through it.

    `tokens` are prompt and greedy reply; the reply begins at `reply`, and what the person wrote is from `said[0]` to
    before `said[1]`. `logps` is a file with the distributions over the reply, in float32.
    """

    tokens: list[int]
    reply: int
    said: tuple[int, int]
    logps: Path


@dataclass(frozen=True)
class Reference:
    """The merged model on some dialogues, and its perplexity on what people wrote in them."""

    followed: list[Followed]
    perplexity: float

    @property
    def longest(self) -> int:
        """The most tokens of a dialogue."""
        return max(len(one.tokens) for one in self.followed)


@dataclass(frozen=True)
class Divergence:
    """What forced decoding found.

    Attributes:
        kl_mean: mean Kullback-Leibler divergence of the file from the merged model, in nats a token.
        kl_999: the divergence that 99.9% of tokens stay below.
        top1: the share of tokens whose likeliest word is the same.
        perplexity: the file's on what people wrote.
        positions: over how many tokens of replies.
    """

    kl_mean: float
    kl_999: float
    top1: float
    perplexity: float
    positions: int


def spread(rows: Sequence[T], most: int) -> list[T]:
    """So many of the rows at most, from all over them."""
    return list(rows[:: max(1, len(rows) // most)][:most])


def reference(
    model: Any,
    tokenizer: Any,
    system_prompt: str,
    utterances: Sequence[str],
    folder: Path,
    max_tokens: int,
    progress: Progress,
) -> Reference:
    """Let the merged model reply greedily, and keep its distributions.

    Args:
        model: the merged model.
        tokenizer: its tokenizer.
        system_prompt: the student's instruction.
        utterances: what people wrote.
        folder: where distributions are kept, 4 bytes a word of the vocabulary and token.
        max_tokens: how far a reply is followed.
        progress: told how many of how many dialogues are done.
    """
    import numpy
    import torch

    followed, lost, read = [], 0.0, 0
    for number, utterance in enumerate(utterances):
        asked, said = _prompt(tokenizer, system_prompt, utterance)
        with torch.inference_mode():
            tokens = model.generate(
                torch.tensor([asked]),
                attention_mask=torch.ones(1, len(asked), dtype=torch.long),
                max_new_tokens=max_tokens,
                do_sample=False,
                repetition_penalty=1.0,  # a model's own settings may hold another
                pad_token_id=tokenizer.pad_token_id,
            )[0].tolist()
            logps = model(torch.tensor([tokens])).logits[0].float().log_softmax(-1)
        lost, read = lost + _lost(logps.numpy(), tokens, said, 0), read + said[1] - said[0]
        path = folder / f"{number}.npy"
        numpy.save(path, logps[len(asked) - 1 : -1].numpy())
        followed.append(Followed(tokens, len(asked), said, path))
        progress(number + 1, len(utterances))
    return Reference(followed, math.exp(lost / max(1, read)))


def measure(path: Path, against: Reference, opened: Callable[[Path, int], Any] = Logits) -> Divergence:
    """A file against the merged model.

    Args:
        path: the file.
        against: what the merged model said.
        opened: what reads the file, as `Logits` does.

    Raises:
        UserError: llama.cpp can't load it, or its vocabulary is another.
    """
    import numpy

    divergences, same, lost, read = [], 0, 0.0, 0
    with opened(path, against.longest) as file:
        for one in against.followed:
            ours = numpy.load(one.logps)
            if ours.shape[1] != file.vocabulary:
                raise UserError(f"{path}: {file.vocabulary} words, where the model has {ours.shape[1]}; export it anew")
            first = one.said[0] - 1
            theirs = _log_softmax(file.along(one.tokens, first))
            lost, read = lost + _lost(theirs, one.tokens, one.said, first), read + one.said[1] - one.said[0]
            replied = theirs[one.reply - 1 - first : -1]
            divergences.append((numpy.exp(ours) * (ours - replied)).sum(-1))
            same += int((ours.argmax(-1) == replied.argmax(-1)).sum())
    kl = numpy.concatenate(divergences)
    return Divergence(
        float(kl.mean()), float(numpy.quantile(kl, 0.999)), same / len(kl), math.exp(lost / max(1, read)), len(kl)
    )


def _prompt(tokenizer: Any, system_prompt: str, utterance: str) -> tuple[list[int], tuple[int, int]]:
    """A prompt's tokens, and where in them the utterance is: between what it shares with a prompt of another one."""
    asked, other = (
        examples.prompt_ids(tokenizer, prompt.messages(system_prompt, text))
        for text in (utterance, "?" if utterance != "?" else "!")
    )
    start = _shared(asked, other)
    return asked, (max(1, start), len(asked) - min(_shared(asked[::-1], other[::-1]), len(asked) - start))


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two rows have in common from the first on."""
    return next((i for i, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))


def _lost(logps: Any, tokens: Sequence[int], said: tuple[int, int], first: int) -> float:
    """The negative log-likelihood of what a person wrote; row 0 of `logps` comes after the token at `first`."""
    return -float(sum(logps[place - 1 - first, tokens[place]] for place in range(*said)))


def _log_softmax(logits: Any) -> Any:
    import numpy

    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(-1, keepdims=True, dtype=numpy.float64)).astype(numpy.float32)
