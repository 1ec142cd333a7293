"""A training that goes wrong ends in one line, and nothing of it is saved as good."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from empathic.errors import UserError
from empathic.recipe import load_recipe
from empathic.student import checkpoints, trainers, training
from empathic.student.health import StopOnDivergence
from empathic.student.kernels import optimize

STATE = SimpleNamespace(global_step=7, max_steps=20)


def _row(i: int = 0) -> dict[str, Any]:
    said = [{"role": "assistant", "content": f"So it is day {i}."}]
    return {"id": str(i), "prompt": [{"role": "user", "content": f"day {i}"}], "completion": said}


def _log(watch: StopOnDivergence, **logs: Any) -> None:
    watch.on_log(None, STATE, None, logs=logs)


@pytest.mark.parametrize("logs", [{"loss": float("nan")}, {"loss": 1.0, "grad_norm": float("inf")}])
def test_what_is_not_finite_stops(logs: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"sft: .* at step 7 of 20 \(learning rate 0.0003\).*sft.learning_rate"):
        _log(StopOnDivergence("sft"), **logs, learning_rate=3e-4)


def test_rewards_that_collapse_stop_and_a_good_step_between_them_doesnt() -> None:
    watch = StopOnDivergence("dpo")
    for _ in range(19):
        _log(watch, loss=0.7, **{"rewards/accuracies": 0.0})
    _log(watch, loss=0.7, **{"rewards/accuracies": 0.5})
    for _ in range(19):
        _log(watch, loss=0.7, **{"rewards/accuracies": 0.0})
    with pytest.raises(UserError, match="no chosen reply was preferred in 20 steps"):
        _log(watch, loss=0.7, **{"rewards/accuracies": 0.0})


def test_a_gradient_that_breaks_midway_keeps_the_last_good_checkpoint(tiny: Path, tmp_path: Path) -> None:
    settings = [f"student.model={tiny}", "steps.sft.batch_size=2", "steps.sft.epochs=6", "steps.sft.save_steps=2"]
    out = tmp_path / "sft"
    trainer = trainers.make_trainer("sft", [_row(i) for i in range(4)], load_recipe("demo", settings), None, out)
    stock, calls = trainer.compute_loss, 0

    def broken(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return stock(*args, **kwargs) * (torch.nan if calls == 6 else 1)

    trainer.compute_loss = broken
    with pytest.raises(UserError, match="at step 6 of 12"):
        training.train(trainer, out, lambda done, total: None, lambda text: None)
    assert not out.exists()
    assert checkpoints.steps(checkpoints.whole(out)[-1]) == 4


def test_a_batch_that_doesnt_divide_is_refused(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    recipe = load_recipe("demo", [f"student.model={tiny}", "steps.sft.batch_size=2"])
    with pytest.raises(UserError, match=r"steps.sft.batch_size: 2 can't be divided .* want a multiple of 8"):
        trainers.make_trainer("sft", [_row()], recipe, None, tmp_path / "sft")


def test_a_kernel_switched_on_where_it_cant_run_is_refused(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(optimize._PATCHES, "prefix_sharing", lambda model: "it caps its attention scores")
    recipe = load_recipe("demo", [f"student.model={tiny}", "kernels.prefix_sharing=true"])
    with pytest.raises(UserError, match=r"kernels.prefix_sharing: it can't be used here, since it caps"):
        trainers.make_trainer("sft", [_row()], recipe, None, tmp_path / "sft")
