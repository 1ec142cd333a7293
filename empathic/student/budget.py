"""How much memory a training step needs, reckoned from the student's shape, and what would make it fit.

Bytes, as a GPU holds them while it trains an adapter; giga stands for 10^9. What the parts go by stands with each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from empathic.errors import UserError
from empathic.recipe.steps import Dpo, Training
from empathic.student.placement import Placement
from empathic.student.shape import Shape

_GIGA = 1e9
_GPUS = 2, 4, 8  # of one machine, that a student may be sharded over
_TILE = 4096, 32768  # tokens and words of TRL's tiles of logits (trl.kernels.chunked_logprob, trl.trainer.utils)
_CONTEXT = 0.8e9  # CUDA's context and the libraries' workspaces: assumed, they differ by driver and card
_NF4 = 0.516  # bytes a weight: half a byte, and 0.127 bits of constants (Dettmers et al. 2023, arXiv 2305.14314)


@dataclass(frozen=True)
class Lengths:
    """Rows as a step reads them, in tokens.

    Attributes:
        told: of the instruction, which every row opens with.
        asked: of a message, on average.
        said: of a reply, on average.
        longest: of the longest row, all three parts.
    """

    told: int
    asked: int
    said: int
    longest: int


@dataclass(frozen=True)
class Needed:
    """Bytes, part by part."""

    weights: float
    adapters: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """All parts, with what a GPU's context takes."""
        return self.weights + self.adapters + self.activations + self.logits + _CONTEXT

    def __str__(self) -> str:
        parts = (
            f"{name} {getattr(self, name) / _GIGA:.1f}" for name in ("weights", "adapters", "activations", "logits")
        )
        return f"{self.total / _GIGA:.1f} GB ({', '.join(parts)})"


def weights(shape: Shape, placed: Placement) -> float:
    """Bytes of frozen weights: 2 or 4 each; in 4 bits the matrices, whose largest is unpacked while it is used."""
    each = 2 if placed.rounds else 4
    if not placed.four_bit:
        return float(each * shape.weights)
    return _NF4 * shape.linear + each * (shape.other + shape.largest)


def adapters(shape: Shape, rank: int, reference: bool) -> float:
    """Bytes of what is trained, in float32: weight, gradient and Adam's two moments, 16 each.

    So counted by Rajbhandari et al. 2020 (ZeRO, arXiv 1910.02054, section 3.1), less the half-precision copies that
    they have and adapters haven't. A reference is a frozen copy, 4 each.
    """
    return float((20 if reference else 16) * rank * shape.lora)


def per_layer(shape: Shape, placed: Placement, fused: bool = False) -> float:
    """Bytes that a layer keeps of each token for its backward pass, with adapters on all matrices.

    Counted as Korthikanti et al. 2022 do (arXiv 2205.05198, section 4.1), for RMS norms, a gate and LoRA: matrices are
    frozen and keep nothing, what enters an adapter is kept. h hidden, a attended, i inner:

        norms          two inputs in float32                                    8h; fused, as they came, 4h
        adapters       what enters q, k, v, gate and up (h), o (a), down (i)     2(5h + a + i) in bfloat16, a copy each;
                                                                                fused 2(2h + a + i), shared;
                                                                                4(2h + a + i) in float32, shared
        attention      q, k, v and what comes out, heads repeated                4a numbers
        gate           silu's input, its output, up                              3i numbers

    Attention's scores are not kept (FlashAttention, arXiv 2205.14135).

    Args:
        shape: of the student.
        placed: where it lies and in which numbers.
        fused: whether norms and adapters run by our kernels, which the latter don't in 4 bits.
    """
    h, a, i = shape.hidden, shape.attended, shape.inner
    if placed.rounds:
        norms, entered = 4 if fused else 8, 2 if fused and not placed.four_bit else 5
        return float(norms * h + 2 * (entered * h + a + i) + 2 * 4 * a + 2 * 3 * i)
    return float(8 * h + 4 * (2 * h + a + i) + 4 * 4 * a + 4 * 3 * i)


def activations(shape: Shape, placed: Placement, tokens: int, checkpointing: bool, shared: bool) -> float:
    """Bytes kept of a forward pass over so many tokens, and those of gradients on their way through a layer.

    With checkpointing each layer keeps its input, and one at a time all the rest (Chen et al. 2016, arXiv 1604.06174).
    A shared prefix brings a mask of tokens by tokens with it, where it isn't attended to by blocks, and our kernels.
    """
    each = 2 if placed.rounds else 4
    layer = per_layer(shape, placed, fused=shared)
    kept = shape.layers * each * shape.hidden + layer if checkpointing else shape.layers * layer
    passing = each * (3 * shape.inner + 2 * shape.hidden)
    return tokens * (kept + passing) + (tokens**2 * (each + 1) if shared else 0)


def logits(shape: Shape, placed: Placement, labels: int) -> float:
    """Bytes of the head: a tile at a time, and states with gradients in float32 at every label.

    A CPU has two tiles in float32; a GPU one, in what it computes in, which TRL's kernels change in place.
    """
    tokens, words = min(labels, _TILE[0]), min(shape.vocabulary, _TILE[1])
    each = 8 if placed.device == "cpu" else 2 if placed.rounds else 4
    return float(each * tokens * words + 8 * labels * shape.hidden)


@dataclass(frozen=True)
class Spread:
    """Over how many GPUs a step's batch goes.

    Attributes:
        processes: so many, each with its share of every batch.
        sharded: whether each holds a part of the student (FSDP) instead of all of it.
    """

    processes: int = 1
    sharded: bool = False


_ALONE = Spread()


def part_of_weights(shape: Shape, placed: Placement, processes: int) -> float:
    """Bytes of a sharded student's weights on each GPU: its part, and what is whole at a time.

    That are two layers, one that runs and the next that is fetched, and all that is no layer, such as the head.
    """
    each = 2 if placed.rounds else 4
    return weights(shape, placed) / processes + each * (2 * shape.linear / shape.layers + shape.other)


def needed(
    step: Training,
    shape: Shape,
    placed: Placement,
    rank: int,
    rows: Lengths,
    shared: bool,
    spread: Spread = _ALONE,
) -> Needed:
    """What a step of a recipe needs on each device.

    Args:
        step: its batch, passes and checkpointing.
        shape: of the student.
        placed: where it lies and in which numbers.
        rank: of the adapter.
        rows: what it reads.
        shared: whether what rows have in common runs once; else all are padded to the longest.
        spread: over how many devices.
    """
    examples = -(-step.batch_size // (step.gradient_accumulation_steps * spread.processes))
    parts = spread.processes if spread.sharded else 1
    replies = 2 if isinstance(step, Dpo) else 1
    if shared:  # the longest row is in some batch
        mean = rows.told + rows.asked + rows.said
        tokens = rows.told + examples * (rows.asked + replies * rows.said) + max(0, rows.longest - mean)
    else:
        tokens = examples * replies * rows.longest
    labels = examples * replies * rows.said
    return Needed(
        weights=weights(shape, placed) if parts == 1 else part_of_weights(shape, placed, parts),
        adapters=adapters(shape, rank, isinstance(step, Dpo)) / parts,
        activations=activations(shape, placed, tokens, step.gradient_checkpointing, shared),
        logits=logits(shape, placed, labels),
    )


def check(
    step: Training,
    shape: Shape,
    placed: Placement,
    rank: int,
    rows: Lengths,
    shared: bool,
    room: float,
    spread: Spread = _ALONE,
) -> Needed:
    """What a step needs, where a GPU has the room for it.

    Args:
        step: as `needed` has it; the others up to `shared` likewise.
        shape: see there.
        placed: see there.
        rank: see there.
        rows: see there.
        shared: see there.
        room: bytes of the GPU, of several the smallest.
        spread: over how many.

    Raises:
        UserError: it hasn't; the line says what would fit.
    """

    def total(of: Training = step, at: Placement = placed, over: Spread = spread) -> float:
        return needed(of, shape, at, rank, rows, shared, over).total

    if total() <= room:
        return needed(step, shape, placed, rank, rows, shared, spread)
    others = ((what, total(of, at)) for what, of, at in _others(step, placed, spread))
    would = [f"{what} ({bytes_ / _GIGA:.0f} GB)" for what, bytes_ in others if bytes_ <= room]
    if not placed.four_bit:
        even = (n for n in _GPUS if not step.batch_size % (n * step.gradient_accumulation_steps))
        parts = ((n, total(over=Spread(n, sharded=True))) for n in even if n > spread.processes or not spread.sharded)
        if fits := next(((n, bytes_) for n, bytes_ in parts if bytes_ <= room), None):
            would.append(f"several GPUs with FSDP (--processes {fits[0]}, {fits[1] / _GIGA:.0f} GB each)")
    has = "the GPU has" if spread.processes == 1 else "the smallest GPU has"
    raise UserError(
        f"steps.{step.name}: needs about {total() / _GIGA:.0f} GB and {has} {room / _GIGA:.0f}; "
        + (f"would fit: {', or '.join(would)}" if would else "nothing makes it fit here; choose a smaller student")
    )


def _others(step: Training, placed: Placement, spread: Spread) -> Iterator[tuple[str, Training, Placement]]:
    """Other settings, in words and as they are; those that train the same first."""
    again = step.model_copy(update={"gradient_checkpointing": True})
    four = replace(placed, four_bit=True)
    own = step.batch_size // spread.processes
    if not step.gradient_checkpointing:
        yield "gradient_checkpointing: true", again, placed
    passes = [n for n in range(step.gradient_accumulation_steps + 1, own + 1) if own % n == 0]
    for n in (passes[0], passes[-1]) if len(passes) > 1 else passes:
        divided = step.model_copy(update={"gradient_accumulation_steps": n})
        yield f"gradient_accumulation_steps: {n}", divided, placed
    if not placed.four_bit and not spread.sharded:
        yield "student.load_in_4bit: true", step, four
        one = again.model_copy(update={"gradient_accumulation_steps": own})
        yield "student.load_in_4bit: true with gradient_checkpointing and passes of 1", one, four
