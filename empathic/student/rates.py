"""How long a training step takes on a GPU, by what was measured on an H200; everything between is reckoned.

Measured (one H200, bfloat16, full prompt, rows of some 270 tokens, examples a second): an 8B's SFT 30 at batch 16 and
45 at batch 64; an 8B's DPO 2.5 pairs at batch 2; a 1B's SFT 155 to 218, of which the lower is used.
"""

from __future__ import annotations

import math

from empathic.recipe.steps import Distil, Dpo, Training
from empathic.student.shape import Shape

_8B, _1B = 8.03e9, 1.24e9  # weights of Llama 3.1 8B and Llama 3.2 1B
_SFT_8B = (16, 30.0), (64, 45.0)  # batch, examples a second
_DPO_8B = 2, 2.5
_SFT_1B = 155.0
DOLLARS = 3.5  # an hour of a rented H200: assumed, not looked up


def hours(step: Training, shape: Shape, examples: int) -> float:
    """Hours of a step on an H200, reckoned.

    An 8B's step of SFT takes a fixed time and one an example, a line through the two batches that were measured. A DPO
    step, with twice the rows, takes as many times that as it did at batch 2. Time goes with a power of the number of
    weights, that between the 8B and the 1B. A distillation counts as two steps of SFT: its teacher reads too.

    Args:
        step: its epochs and batch.
        shape: of the student.
        examples: that it learns from.
    """
    power = math.log(_SFT_1B / _SFT_8B[0][1]) / math.log(_8B / _1B)
    size = (shape.weights / _8B) ** power
    steps = step.epochs * math.ceil(examples / step.batch_size)
    if isinstance(step, Dpo):
        batch, rate = _DPO_8B
        seconds = batch / rate * _sft_8b(2 * step.batch_size) / _sft_8b(2 * batch)
    else:
        seconds = _sft_8b(step.batch_size) * (2 if isinstance(step, Distil) else 1)
    return steps * seconds * size / 3600


def _sft_8b(batch: int) -> float:
    """Seconds of an 8B's step of SFT."""
    (one, slow), (other, fast) = _SFT_8B
    each = (other / fast - one / slow) / (other - one)
    return one / slow + each * (batch - one)
