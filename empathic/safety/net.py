"""The training of `model.Model`: the same numbers in torch, learnt with dropout, and stored in few bits."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from empathic.safety import features, model
from empathic.safety.patterns import Hits

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 6000  # words with a vector of their own
SEEN = 3  # a word of fewer texts has none
WIDTH, FILTERS = 28, 96
EPOCHS, BATCH, RATE, DECAY = 14, 64, 2e-3, 0.01
DROPPED, FORGOTTEN = 0.2, 0.1  # shares of numbers, and of words' own vectors
MOST = 60  # words of a text to learn from
SEED = 1  # of 0, 1 and 2: it finds most of the crises to choose by, at as many false alarms of unseen messages
Log = Callable[[str], None]


@dataclass(frozen=True)
class Seen:
    """A training text as the weights see it; it is of one of the classes `target`, and which is learnt."""

    words: list[str]
    hits: Hits
    target: tuple[int, ...]


def fit(texts: Sequence[Seen], patterns: int, log: Log) -> dict[str, Any]:
    """The specification's `model`: the weights that make the texts' classes likeliest.

    Where a text may be of several classes its likelihood is that of all of them together. The rate rises and falls
    once (Smith, *Super-convergence*, 2018). One thread and a fixed seed: the same texts give the same weights on the
    same kind of machine.

    Args:
        texts: messages.
        patterns: how many numbers `Hits` has.
        log: told the loss of each epoch, in nats a text.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return _fit(texts, patterns, log)
    finally:
        torch.set_num_threads(threads)


def _fit(texts: Sequence[Seen], patterns: int, log: Log) -> dict[str, Any]:
    import torch

    chosen = _vocabulary(texts)
    net = _net(len(chosen), patterns)
    lengths = np.array([min(len(text.words), MOST) for text in texts])
    steps = EPOCHS * -(-len(texts) // BATCH)
    weights = [p for part in net.values() for p in part.parameters()]
    own = [{"params": net["words"].parameters(), "weight_decay": 0.0}]
    other = [{"params": [p for name, part in net.items() if name != "words" for p in part.parameters()]}]
    optimiser = torch.optim.AdamW([*own, *other], lr=RATE, weight_decay=DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    lot = np.random.default_rng(SEED)
    row = {number: place for place, number in enumerate(chosen, 1)}
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in _batches(lengths, lot):
            of = [texts[at] for at in batch]
            logits = _logits(net, _numbers(of, row, patterns), learning=True)
            allowed = torch.zeros_like(logits)
            for at, text in enumerate(of):
                allowed[at, list(text.target)] = 1.0
            loss = -torch.logsumexp(logits.log_softmax(1) + torch.log(allowed + 1e-9), 1).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            rate.step()
            total += loss.item() * len(of)
        log(f"epoch {epoch + 1} of {EPOCHS}: {total / len(texts):.4f} nats a text")
    return _stored(net, chosen)


def _vocabulary(texts: Sequence[Seen]) -> list[int]:
    """The numbers of the commonest words, rising; those of texts that need an answer count three times."""
    counts: Counter[str] = Counter()
    often: Counter[str] = Counter()
    for text in texts:
        worth = 3 if min(text.target) >= len(model.SAFE) else 1
        for word in set(text.words):
            counts[word] += 1
            often[word] += worth
    kept = sorted((word for word in counts if counts[word] >= SEEN), key=lambda word: (-often[word], word))[:KEPT]
    return sorted({features.numbers(word)[0] for word in kept})


def _net(words: int, patterns: int) -> dict[str, Any]:
    from torch import nn

    net = {
        "words": nn.Embedding(words + 1, WIDTH, padding_idx=0),
        "pieces": nn.EmbeddingBag(features.PIECES, WIDTH, mode="sum"),
        **{str(run): nn.Conv1d(WIDTH, FILTERS, run, padding=run - 1) for run in model.RUNS},
        "out": nn.Linear(FILTERS * len(model.RUNS) + WIDTH, len(model.CLASSES)),
        "hits": nn.Linear(patterns, len(model.CLASSES), bias=False),
    }
    nn.init.normal_(net["words"].weight, std=0.1)
    net["words"].weight.data[0] = 0.0  # a word without a vector of its own
    nn.init.normal_(net["pieces"].weight, std=0.05)
    nn.init.zeros_(net["hits"].weight)
    return net


def _batches(lengths: np.ndarray, lot: np.random.Generator) -> list[np.ndarray]:
    """Texts of like lengths together, in an order by lot."""
    order = lot.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), 50 * BATCH):
        some = order[start : start + 50 * BATCH]
        some = some[np.argsort(lengths[some], kind="stable")]
        batches += [some[at : at + BATCH] for at in range(0, len(some), BATCH)]
    return [batches[at] for at in lot.permutation(len(batches))]


def _numbers(texts: Sequence[Seen], row: dict[int, int], patterns: int) -> dict[str, Tensor]:
    """Words by their place among the batch's different ones; 0 is none."""
    import torch

    said = [text.words[:MOST] for text in texts]
    places = {word: place for place, word in enumerate(sorted({word for words in said for word in words}), 1)}
    found = [(0, ()), *(features.numbers(word) for word in places)]
    text = torch.zeros(len(texts), max(map(len, said)), dtype=torch.long)
    hits = torch.zeros(len(texts), patterns)
    for at, words in enumerate(said):
        text[at, : len(words)] = torch.tensor([places[word] for word in words])
        hits[at, list(texts[at].hits.numbers)] = model.PATTERN
    pieces = [list(of) for _, of in found]
    return {
        "text": text,
        "hits": hits,
        "own": torch.tensor([0, *(row.get(number, 0) for number, _ in found[1:])]),
        "pieces": torch.tensor([piece for of in pieces for piece in of], dtype=torch.long),
        "starts": torch.tensor(np.cumsum([0, *map(len, pieces[:-1])]), dtype=torch.long),
        "counts": torch.tensor([max(1, len(of)) for of in pieces]),
    }


def _logits(net: dict[str, Any], of: dict[str, Tensor], learning: bool) -> Tensor:
    import torch
    from torch.nn.functional import dropout

    text, there = of["text"], of["text"] > 0
    own = net["words"](of["own"])[text]
    if learning:
        own = own * (torch.rand(text.shape) > FORGOTTEN)[..., None]
    pieces = net["pieces"](of["pieces"], of["starts"]) / of["counts"].sqrt()[:, None]
    words = (own + pieces[text]) * there[..., None]
    summed = words.sum(1) / there.sum(1, keepdim=True).sqrt()
    words = dropout(words, DROPPED, learning).transpose(1, 2)
    ends = torch.arange(words.shape[2] + model.RUNS[-1])[None, None, :] - there.sum(1)[:, None, None]
    seen = []
    for run in model.RUNS:
        answers = torch.relu(net[str(run)](words))
        seen.append((answers * (ends[..., : answers.shape[2]] < run - 1)).amax(2))  # past its end a text says nothing
    logits: Tensor = net["out"](dropout(torch.cat([*seen, summed], 1), DROPPED, learning)) + net["hits"](of["hits"])
    return logits


def _stored(net: dict[str, Any], chosen: Sequence[int]) -> dict[str, Any]:
    def weights(name: str) -> np.ndarray:
        return net[name].weight.detach().double().numpy()  # type: ignore[no-any-return]

    def bias(name: str) -> list[float]:
        return [float(f"{one:.9g}") for one in net[name].bias.tolist()]

    return {
        "classes": list(model.CLASSES),
        "hash": [features.BITS, features.PIECES],
        "width": WIDTH,
        "filters": FILTERS,
        "numbers": base64.b64encode(model.packed(chosen)).decode(),
        "words": model.stored_in_four_bits(weights("words")[1:]),
        "pieces": model.stored_in_four_bits(weights("pieces")),
        "runs": [
            {
                "weights": model.stored_in_eight_bits(weights(str(run)).transpose(0, 2, 1).reshape(FILTERS, -1)),
                "bias": bias(str(run)),
            }
            for run in model.RUNS
        ],
        "out": model.stored_in_eight_bits(weights("out")),
        "hits": model.stored_in_eight_bits(weights("hits")),
        "bias": bias("out"),
    }
