"""Shared-prefix training is the same training: run beside stock TRL and compared, numbers and all.

Tolerances: TRL's fused head sums over the vocabulary in float32 whatever the model's type, so even in float64 the two
paths agree to about 1e-6 a token and no further (2e-6 for SFT's mean; 2e-5 for DPO, whose rewards are differences of
sums of some 500 nats); in float32 the model's own sums, in another order, add as much again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokens import vocabulary

from empathic import files
from empathic.recipe import Kernels, Recipe, load_recipe
from empathic.student import trainers, training

FIRST, *OTHERS = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text")  # the first answers in `make check`
STARTS = ("I lost", "We won", "Nobody came to", "My mother says that", "It rained on", "I lost", "You", "The boat and")


def _rows(kind: str, n: int = 8) -> list[dict[str, Any]]:
    rows = []
    for i in range(n):
        said = " ".join([STARTS[i % 8], *["the old kettle again"] * (i % 3), f"day {i}."])
        row: dict[str, Any] = {"id": str(i), "origin": "kind", "prompt": [{"role": "user", "content": said}]}
        good = [{"role": "assistant", "content": f"{said} What a day number {i} that was for you."}]
        bad = [{"role": "assistant", "content": "Oh well, such is life." + " It is." * (i % 4)}]
        rows.append(row | ({"completion": good} if kind == "sft" else {"chosen": good, "rejected": bad}))
    return rows


def _tiny(family: str, tokenizer: Any, folder: Path) -> Path:
    """A two-layer model of a family, random weights; windows are shorter than the instruction."""
    from transformers import AutoConfig, AutoModelForCausalLM

    settings: dict[str, Any] = {
        "vocab_size": vocabulary(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "initializer_range": 0.2,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if family in ("mistral", "gemma2", "gemma3_text"):
        settings["sliding_window"] = 11
    if family in ("gemma2", "gemma3_text"):
        settings["layer_types"] = ["sliding_attention", "full_attention"]
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **settings))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def families(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    return {name: _tiny(name, tokenizer, tmp_path_factory.mktemp(name)) for name in (FIRST, *OTHERS, "gemma2")}


def _stock(recipe: Recipe) -> Recipe:
    """The same recipe with every kernel switched off: TRL as it comes."""
    return recipe.model_copy(update={"kernels": Kernels(**dict.fromkeys(Kernels.model_fields, False))})


def _recipe(model: Path | str, *changes: str) -> Recipe:
    settings = ["steps.sft.epochs=1", "steps.sft.batch_size=8", "steps.sft.learning_rate=0.01"]
    settings += ["steps.dpo.epochs=1", "steps.dpo.batch_size=4", "steps.dpo.learning_rate=0.01", "steps.dpo.beta=0.1"]
    return load_recipe("demo", [f"student.model={model}", *settings, *changes])


def _step(trainer: Any, dtype: torch.dtype) -> tuple[float, dict[str, float], dict[str, torch.Tensor]]:
    """Loss, logged figures and gradients of the first batch, the adapter moved off zero."""
    trainer.model.to(dtype).train()
    dice = torch.Generator().manual_seed(3)
    for name, weight in trainer.model.named_parameters():
        if "lora_B.default" in name:
            weight.data += 0.05 * torch.randn(weight.shape, generator=dice)
    size = trainer.args.per_device_train_batch_size
    loss = trainer.compute_loss(trainer.model, trainer.data_collator([trainer.train_dataset[i] for i in range(size)]))
    loss.backward()
    figures = {name: sum(values) / len(values) for name, values in trainer._metrics["train"].items()}
    grads = {name: weight.grad for name, weight in trainer.model.named_parameters() if weight.grad is not None}
    return loss.item(), figures, grads


def _agree(ours: Any, theirs: Any, dtype: torch.dtype, tolerance: float) -> None:
    assert "prefix_sharing" not in ours.kernels_off
    loss, figures, grads = _step(ours, dtype)
    loss_stock, figures_stock, grads_stock = _step(theirs, dtype)
    assert loss == pytest.approx(loss_stock, abs=tolerance)
    assert figures.keys() == figures_stock.keys()
    for name, value in figures_stock.items():
        assert figures[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name
    assert grads.keys() == grads_stock.keys()
    largest = max(grad.abs().max().item() for grad in grads_stock.values())
    assert largest > 1e-3
    apart = {name: (grads[name] - grads_stock[name]).abs().max().item() for name in grads}
    assert max(apart.values()) <= tolerance * max(1, largest), max(apart, key=apart.__getitem__)


@pytest.mark.parametrize("family", [FIRST, *(pytest.param(family, marks=pytest.mark.slow) for family in OTHERS)])
def test_sft_has_the_loss_and_gradients_of_stock_trl(families, family: str, tmp_path: Path) -> None:
    recipe = _recipe(families[family])
    ours = trainers.make_trainer("sft", _rows("sft"), recipe, None, tmp_path / "ours")
    _agree(
        ours, trainers.make_trainer("sft", _rows("sft"), _stock(recipe), None, tmp_path / "theirs"), torch.float64, 2e-6
    )


@pytest.mark.parametrize(  # the losses stand above the model: one family tells for all but the first
    ("family", "loss"),
    [
        (FIRST, "sigmoid"),
        *(pytest.param(family, "sigmoid", marks=pytest.mark.slow) for family in OTHERS),
        *(pytest.param(FIRST, loss, marks=pytest.mark.slow) for loss in ("sigmoid_norm", "apo_zero", "robust")),
    ],
)
def test_dpo_has_the_loss_rewards_and_gradients_of_stock_trl(families, family: str, loss: str, tmp_path: Path) -> None:
    recipe = _recipe(families[family], f"steps.dpo.loss={loss}")
    training.train_step("sft", _rows("sft"), recipe, None, tmp_path / "sft", lambda done, total: None)
    ours = trainers.make_trainer("dpo", _rows("dpo"), recipe, tmp_path / "sft", tmp_path / "ours")
    theirs = trainers.make_trainer("dpo", _rows("dpo"), _stock(recipe), tmp_path / "sft", tmp_path / "theirs")
    for column in ("ref_chosen_logps", "ref_rejected_logps"):
        assert ours.train_dataset[column][:] == pytest.approx(theirs.train_dataset[column][:], abs=1e-3)
    _agree(ours, theirs, torch.float64, 2e-5)


@pytest.mark.network
def test_smollm2_in_float32_too(tmp_path: Path) -> None:
    recipe = _recipe("smollm2-135m", "steps.sft.batch_size=4", "student.prompt=full")
    ours = trainers.make_trainer("sft", _rows("sft", 4), recipe, None, tmp_path / "ours")
    _agree(
        ours,
        trainers.make_trainer("sft", _rows("sft", 4), _stock(recipe), None, tmp_path / "theirs"),
        torch.float32,
        2e-5,
    )


@pytest.mark.slow
def test_the_loss_curves_of_50_steps_lie_on_each_other(families, tmp_path: Path) -> None:
    recipe = _recipe(families["llama"], "steps.sft.batch_size=2", "steps.sft.epochs=10", "steps.sft.save_steps=1000")
    rows = _rows("sft", 10)
    ours = training.train_step("sft", rows, recipe, None, tmp_path / "ours", lambda done, total: None)
    theirs = training.train_step("sft", rows, _stock(recipe), None, tmp_path / "theirs", lambda done, total: None)
    curves = [[row["loss"] for row in result["history"]] for result in (ours, theirs)]
    assert len(curves[0]) == 50
    assert curves[0][-1] < curves[0][0] - 0.5
    assert max(abs(a - b) for a, b in zip(*curves, strict=True)) < 2e-3


@pytest.mark.slow
@pytest.mark.parametrize("step", ["sft", "dpo"])
def test_a_batch_of_8_is_4_times_2_accumulated(families, step: str, tmp_path: Path) -> None:
    whole = _recipe(families["llama"], f"steps.{step}.batch_size=8", "steps.sft.epochs=3", "steps.dpo.epochs=3")
    parts = _recipe(
        families["llama"],
        f"steps.{step}.batch_size=8",
        f"steps.{step}.gradient_accumulation_steps=4",
        "steps.sft.epochs=3",
        "steps.dpo.epochs=3",
    )
    training.train_step(
        "sft", _rows("sft"), _recipe(families["llama"]), None, tmp_path / "start", lambda done, total: None
    )
    losses = []
    for name, recipe in (("whole", whole), ("parts", parts)):
        out, rows = tmp_path / name, _rows(step)
        if step == "sft":
            result = training.train_step("sft", rows, recipe, None, out, lambda done, total: None)
        else:
            result = training.train_step("dpo", rows, recipe, tmp_path / "start", out, lambda done, total: None)
        losses.append([row["loss"] for row in result["history"]])
    assert len(losses[0]) == 3
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


class Killed(Exception):
    """Stands for a kill between two steps."""


@pytest.mark.slow
@pytest.mark.parametrize("step", ["sft", "dpo"])
def test_activations_computed_again_give_the_same_gradients(families, step: str, tmp_path: Path) -> None:
    found = []
    for again in ("false", "true"):
        recipe = _recipe(families["llama"], f"steps.{step}.gradient_checkpointing={again}")
        adapter = tmp_path / again / "sft"
        if step == "dpo":
            training.train_step("sft", _rows("sft"), recipe, None, adapter, lambda done, total: None)
            trainer: Any = trainers.make_trainer("dpo", _rows("dpo"), recipe, adapter, tmp_path / again / "dpo")
        else:
            trainer = trainers.make_trainer("sft", _rows("sft"), recipe, None, adapter)
        assert "prefix_sharing" not in trainer.kernels_off
        found.append(_step(trainer, torch.float64))
    (loss, _, grads), (loss_again, _, grads_again) = found
    assert loss == loss_again
    assert all(torch.equal(grad, grads_again[name]) for name, grad in grads.items())


@pytest.mark.slow
@pytest.mark.parametrize("step", ["sft", "dpo"])
def test_a_resumed_training_is_an_unbroken_one_to_the_byte(families, step: str, tmp_path: Path) -> None:
    recipe = _recipe(
        families["llama"], f"steps.{step}.batch_size=2", f"steps.{step}.save_steps=2", f"steps.{step}.epochs=2"
    )
    training.train_step("sft", _rows("sft"), recipe, None, tmp_path / "start", lambda done, total: None)

    def train(out: Path, stop_at: int | None) -> dict[str, Any]:
        def advance(done: int, total: int) -> None:
            if done == stop_at:
                raise Killed

        if step == "sft":
            return training.train_step("sft", _rows("sft"), recipe, None, out, advance)
        return training.train_step("dpo", _rows("dpo"), recipe, tmp_path / "start", out, advance)

    unbroken = train(tmp_path / "unbroken", None)
    with pytest.raises(Killed):
        train(tmp_path / "resumed", 5)
    resumed = train(tmp_path / "resumed", None)
    assert [row["loss"] for row in resumed["history"]] == [row["loss"] for row in unbroken["history"]]
    weights = "adapter_model.safetensors"
    assert files.sha256(tmp_path / "resumed" / weights) == files.sha256(tmp_path / "unbroken" / weights)


@pytest.mark.slow
def test_a_model_that_cannot_share_runs_as_trl_runs_it_and_says_so(families, tmp_path: Path) -> None:
    said: list[str] = []
    recipe = _recipe(families["gemma2"])
    result = training.train_step(
        "sft", _rows("sft"), recipe, None, tmp_path / "sft", lambda done, total: None, said.append
    )
    assert result["first_loss"] > 0
    assert sum("gemma2 caps its attention scores" in line for line in said) == 1
