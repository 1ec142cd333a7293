"""Distillation by logits: the loss is the paper's and moves the adapter alone; a killed step ends as others do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from distilling import ROWS, recipe_of
from torch.nn.functional import kl_div, log_softmax

from empathic import files
from empathic.errors import UserError
from empathic.recipe import Kernels
from empathic.student import checkpoints, trainers, training

OFF = dict.fromkeys(Kernels.model_fields, False)


def _nothing(done: int, total: int) -> None:
    return None


def _trainer(recipe: Any, out: Path, rows: list[dict[str, Any]] = ROWS, adapter: Path | None = None) -> Any:
    return trainers.make_trainer("distil", rows, recipe, adapter, out)


def _batch(trainer: Any) -> dict[str, Any]:
    return trainer.data_collator(list(trainer.train_dataset))


def _direct(trainer: Any, beta: float) -> torch.Tensor:
    """The mean over tokens as the paper's formula has it, in float64, row by row, with the whole of the logits."""
    student, teacher, found = trainer.model.double(), trainer.teacher.double(), []
    for row in trainer.train_dataset:
        reply = row["reply_ids"]
        logs = []
        for model, asked in ((teacher, row["teacher_prompt_ids"]), (student, row["prompt_ids"])):
            logits = model(input_ids=torch.tensor([asked + reply])).logits[0]
            logs.append(log_softmax(logits[len(asked) - 1 : -1], -1))
        of_teacher, of_student = logs
        if beta in (0, 1):
            sides = {0: (of_student, of_teacher), 1: (of_teacher, of_student)}[int(beta)]
            found.append(kl_div(*sides, reduction="none", log_target=True).sum(-1))
            continue
        mixed = (beta * of_teacher.exp() + (1 - beta) * of_student.exp()).log()
        divergences = [kl_div(mixed, one, reduction="none", log_target=True).sum(-1) for one in logs]
        found.append(beta * divergences[0] + (1 - beta) * divergences[1])
    return torch.cat(found).mean()


def _gradients(trainer: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten().double() for p in trainer.model.parameters() if p.grad is not None])


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_nothing_is_lost_where_teacher_and_student_are_one_and_told_the_same(
    tiny: Path, tmp_path: Path, beta: float
) -> None:
    same = ("steps.distil.teacher_prompt=brief", f"steps.distil.beta={beta}")
    rows = [{**row, "emotion": ""} for row in ROWS]
    trainer = _trainer(recipe_of(tiny, tiny, *same), tmp_path / "distil", rows)
    assert trainer.compute_loss(trainer.model, _batch(trainer)).item() == pytest.approx(0, abs=1e-6)
    feeling = _trainer(recipe_of(tiny, tiny, *same), tmp_path / "distil")
    assert feeling.compute_loss(feeling.model, _batch(feeling)).item() > 1e-4, "the teacher alone hears the emotion"


@pytest.mark.slow
@pytest.mark.parametrize("kernels", [{}, OFF], ids=["kernels", "without"])
@pytest.mark.parametrize(
    "beta", [pytest.param(0.0, marks=pytest.mark.slow), 0.4, pytest.param(1.0, marks=pytest.mark.slow)]
)
def test_loss_and_gradients_are_those_of_the_formula_in_float64(
    tiny: Path, larger: Path, tmp_path: Path, beta: float, kernels: dict[str, bool]
) -> None:
    recipe = recipe_of(tiny, larger, f"steps.distil.beta={beta}")
    ours = _trainer(recipe.model_copy(update={"kernels": Kernels(**kernels)}), tmp_path / "ours")
    stock = _trainer(recipe.model_copy(update={"kernels": Kernels(**OFF)}), tmp_path / "stock")
    loss = ours.compute_loss(ours.model, _batch(ours))
    loss.backward()
    wanted = _direct(stock, beta)
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5) and wanted.item() > 0.05
    assert _gradients(ours).norm() > 0
    torch.testing.assert_close(_gradients(ours), _gradients(stock), rtol=1e-3, atol=1e-6)


def test_shared_tokens_run_once_in_both_models(tiny: Path, larger: Path, tmp_path: Path) -> None:
    trainer = _trainer(recipe_of(tiny, larger), tmp_path / "distil")
    assert not trainer.kernels_off and trainer.shares == {"": True, "teacher_": True}
    seen = []
    for model in (trainer.model.get_base_model(), trainer.teacher):
        model.base_model.embed_tokens.register_forward_hook(lambda layer, args, out: seen.append(args[0].numel()))
    batch = _batch(trainer)
    trainer.compute_loss(trainer.model, batch)
    assert seen[0] < 0.7 * batch["input_ids"].numel() and seen[1] < 0.5 * batch["teacher_input_ids"].numel()


@pytest.mark.slow
def test_a_student_learns_to_reply_as_if_told_and_only_its_adapter_moves(tiny: Path, tmp_path: Path) -> None:
    recipe, out = recipe_of(tiny, tiny, "steps.distil.epochs=8"), tmp_path / "distil"
    trainer = _trainer(recipe, out)
    batch = _batch(trainer)
    first = trainer.compute_loss(trainer.model, batch).item()
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    taught = {name: value.clone() for name, value in trainer.teacher.state_dict().items()}
    training.train(trainer, out, _nothing, lambda text: None)
    assert trainer.compute_loss(trainer.model, batch).item() < 0.7 * first
    moved = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all("lora_" in name for name in moved)
    assert all(torch.equal(value, taught[name]) for name, value in trainer.teacher.state_dict().items())
    assert not trainer.teacher.training and all(not p.requires_grad for p in trainer.teacher.parameters())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["distil", "distil.json"]


@pytest.mark.slow
def test_a_killed_step_goes_on_to_the_same_adapter(tiny: Path, larger: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tiny, larger, "steps.distil.epochs=2", "steps.distil.save_steps=2")
    whole, killed = tmp_path / "whole" / "distil", tmp_path / "killed" / "distil"
    for out in (whole, killed):
        out.parent.mkdir()

    def dies(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    training.train_step("distil", ROWS, recipe, None, whole, _nothing)
    with pytest.raises(KeyboardInterrupt):
        training.train_step("distil", ROWS, recipe, None, killed, dies)
    assert checkpoints.steps(checkpoints.whole(killed)[-1]) == 2
    again: list[int] = []
    training.train_step("distil", ROWS, recipe, None, killed, lambda done, total: again.append(done))
    assert again == [3, 4, 5, 6]
    weights = "adapter_model.safetensors"
    assert files.sha256(whole / weights) == files.sha256(killed / weights)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["gradient_accumulation_steps=2", "gradient_checkpointing=true"])
def test_a_batch_in_passes_and_activations_computed_again_are_the_same_training(
    tiny: Path, larger: Path, tmp_path: Path, change: str
) -> None:
    found = []
    for number, more in enumerate(((), (f"steps.distil.{change}",))):
        out = tmp_path / str(number)
        recipe = recipe_of(tiny, larger, "steps.distil.epochs=2", *more)
        found.append(training.train_step("distil", ROWS, recipe, None, out, _nothing)["history"])
    one, two = ([row["loss"] for row in history] for history in found)
    assert len(one) == 6 and one == pytest.approx(two, rel=1e-4)


def test_a_loss_that_is_not_finite_stops_the_step(tiny: Path, larger: Path, tmp_path: Path) -> None:
    out = tmp_path / "distil"
    trainer = _trainer(recipe_of(tiny, larger), out)
    trainer.teacher.get_output_embeddings().weight.data.fill_(torch.nan)
    with pytest.raises(UserError, match=r"distil: loss is nan at step 1 of 3 .*steps\.distil\.learning_rate"):
        training.train(trainer, out, _nothing, lambda text: None)
    assert not out.exists()


def test_a_reply_ends_with_its_end_of_turn_and_follows_each_models_own_prompt(
    tiny: Path, larger: Path, tmp_path: Path
) -> None:
    trainer = _trainer(recipe_of(tiny, larger), tmp_path / "distil")
    tokenizer, first, last = trainer.processing_class, trainer.train_dataset[0], trainer.train_dataset[-1]
    assert tokenizer.decode(last["reply_ids"]) == "<|im_end|>", "where nothing was said, what might have been"
    assert tokenizer.decode(first["reply_ids"]) == ROWS[0]["completion"][0]["content"] + "<|im_end|>"
    ours, theirs = (tokenizer.decode(first[f"{whose}prompt_ids"]) for whose in ("", "teacher_"))
    assert "What this person feels: sad" in theirs and "sad" not in ours
    assert "three dimensions" in theirs and "three dimensions" not in ours
    assert ROWS[0]["prompt"][0]["content"] in ours and ROWS[0]["prompt"][0]["content"] in theirs


@pytest.mark.parametrize("who", ["student", "teacher"])
def test_examples_longer_than_a_context_are_refused(tiny: Path, larger: Path, tmp_path: Path, who: str) -> None:
    rows = [{**ROWS[0], "prompt": [{"role": "user", "content": "so sad " * (3000 if who == "student" else 900)}]}]
    with pytest.raises(
        UserError, match=f"the example '0' has .* tokens with its prompt, and the {who}'s context holds"
    ):
        _trainer(recipe_of(tiny, larger), tmp_path / "distil", rows)
