"""A training that goes wrong stops: the adapter would be saved as a good one otherwise."""

from __future__ import annotations

import math
from typing import Any

from transformers import TrainerCallback

from empathic.errors import UserError

_COLLAPSED = 20  # steps in a row in which no pair's chosen reply is preferred


class StopOnDivergence(TrainerCallback):
    """End a step whose loss or gradient is not finite, or whose rewards collapse; whole checkpoints stay."""

    def __init__(self, step: str) -> None:
        self.step, self.collapsed = step, 0

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Look at what a step of the optimiser gave.

        Raises:
            UserError: the step, the learning rate and what to lower.
        """
        logs = logs or {}
        for name in ("loss", "grad_norm"):
            if name in logs and not math.isfinite(float(logs[name])):
                raise UserError(self._line(f"{name} is {float(logs[name])}", state, logs))
        accuracy = logs.get("rewards/accuracies")
        self.collapsed = self.collapsed + 1 if accuracy is not None and float(accuracy) == 0 else 0
        if self.collapsed == _COLLAPSED:
            raise UserError(self._line(f"no chosen reply was preferred in {_COLLAPSED} steps", state, logs))

    def _line(self, what: str, state: Any, logs: dict[str, Any]) -> str:
        rate = f"{float(logs['learning_rate']):.2g}" if "learning_rate" in logs else "unknown"
        return (
            f"{self.step}: {what} at step {state.global_step} of {state.max_steps} (learning rate {rate}); nothing "
            f"was exported, and the last whole checkpoint is kept; lower steps.{self.step}.learning_rate and run "
            "with --redo"
        )
