"""How long a training step takes on a GPU, by what was measured on an H200; everything between is reckoned.

Measured (one H200, bfloat16, full prompt, rows of some 300 tokens, shared, seconds a step of the optimiser): an 8B's
SFT 0.374 at batch 64 and 0.282 at batch 32, its DPO 0.374 at batch 32 and 0.155 for that batch's references; a 0.5B's
SFT 0.263 at batch 64, its DPO 0.19 to 0.27 at batch 32.
"""

from __future__ import annotations

import math

from empathic.recipe.steps import Distil, Dpo, Training
from empathic.student.shape import Shape

_8B = 8.03e9  # weights of Llama 3.1 8B
_STEP = 0.19  # seconds of a step, whatever its batch and the student: a GPU is told what to do, one operation at a time
_ROW = 0.00288  # seconds of a row besides, of an 8B; in proportion to the weights
_REFERENCE = 0.155 / 0.374  # of a step, without its way back
DOLLARS = 3.5  # an hour of a rented H200: assumed, not looked up


def hours(step: Training, shape: Shape, examples: int) -> float:
    """Hours of a step on an H200, reckoned.

    A step takes a fixed time and one a row, the line through an 8B's two batches of SFT, and the latter goes with the
    number of weights. A pair is two rows, and DPO has a pass for its references. A distillation counts as two steps of
    SFT: its teacher reads too.

    Args:
        step: its epochs and batch.
        shape: of the student.
        examples: that it learns from.
    """
    rows = step.batch_size * (2 if isinstance(step, Dpo) else 1)
    seconds = _STEP + _ROW * rows * shape.weights / _8B
    passes = step.epochs + _REFERENCE if isinstance(step, Dpo) else step.epochs * (2 if isinstance(step, Distil) else 1)
    return passes * math.ceil(examples / step.batch_size) * seconds / 3600
