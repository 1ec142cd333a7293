from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from trl.trainer import dpo_trainer

from empathic import files
from empathic.errors import UserError
from empathic.recipe import Recipe, load_recipe
from empathic.student import prompt, trainers, training


def _rows(kind: str) -> list[dict[str, Any]]:
    said = [
        "the roof leaks",
        "we won, we won!",
        "nobody came",
        "my bread rose at last",
        "I sold the boat",
        "x",
    ]
    answers = [
        "A leak right over you.",
        "Won at last!",
        "All those empty chairs.",
        "Warm bread!",
        "The boat, sold.",
        "y",
    ]
    rows = []
    for i, (text, answer) in enumerate(zip(said, answers, strict=True)):
        row: dict[str, Any] = {"id": str(i), "origin": "kind", "prompt": [{"role": "user", "content": text}]}
        good = [{"role": "assistant", "content": answer}]
        bad = [{"role": "assistant", "content": "Whatever you say, that is how it goes."}]
        rows.append(row | ({"completion": good} if kind == "sft" else {"chosen": good, "rejected": bad}))
    return rows


def _recipe(tiny: Path, *changes: str) -> Recipe:
    sft = ("steps.sft.epochs=2", "steps.sft.batch_size=2", "steps.sft.learning_rate=0.01")
    return load_recipe("demo", [f"student.model={tiny}", *sft, "steps.dpo.batch_size=2", *changes])


@pytest.fixture
def recipe(tiny: Path) -> Recipe:
    return _recipe(tiny)


def _nothing(done: int, total: int) -> None:
    return None


def _hashed(module: Any) -> str:
    raise AssertionError("weights were hashed, which takes 40 s of an 8B")


@pytest.mark.slow
def test_dpo_starts_at_ln_2_with_no_reward_since_its_reference_is_the_sft_model(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dpo_trainer, "hash_module", _hashed)
    training.train_step("sft", _rows("sft"), recipe, None, tmp_path / "sft", _nothing)
    result = training.train_step("dpo", _rows("dpo"), recipe, tmp_path / "sft", tmp_path / "dpo", _nothing)
    first = result["history"][0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    for reward in ("rewards/chosen", "rewards/rejected", "rewards/margins"):
        assert first[reward] == pytest.approx(0, abs=1e-6)
    assert result["history"][-1]["rewards/margins"] > 0
    assert not (tmp_path / "dpo" / "ref").exists()
    assert (tmp_path / "dpo" / "adapter_model.safetensors").exists()
    assert dpo_trainer.hash_module is _hashed, "TRL's own is back"


@pytest.mark.slow
def test_precomputed_references_are_the_sft_model_too(recipe: Recipe, tiny: Path, tmp_path: Path) -> None:
    training.train_step("sft", _rows("sft"), recipe, None, tmp_path / "sft", _nothing)
    twice = _recipe(tiny, "steps.dpo.epochs=2")
    result = training.train_step("dpo", _rows("dpo"), twice, tmp_path / "sft", tmp_path / "dpo", _nothing)
    assert result["history"][0]["loss"] == pytest.approx(math.log(2), abs=1e-5)


def test_the_loss_is_on_the_reply_alone_with_its_end_of_turn(recipe: Recipe, tmp_path: Path) -> None:
    trainer = trainers.make_trainer("sft", _rows("sft"), recipe, None, tmp_path / "sft")
    tokenizer = trainer.processing_class
    for row, example in zip(_rows("sft"), trainer.train_dataset, strict=True):
        learnt = [token for token, label in zip(example["input_ids"], example["labels"], strict=True) if label != -100]
        assert tokenizer.decode(learnt) == row["completion"][0]["content"] + "<|im_end|>\n"
        shown = tokenizer.decode(example["input_ids"])
        assert shown.startswith("<|im_start|>system\n" + prompt.instruction("brief"))


@pytest.mark.slow
def test_same_seed_same_losses_and_the_same_adapter(recipe: Recipe, tmp_path: Path) -> None:
    one = training.train_step("sft", _rows("sft"), recipe, None, tmp_path / "one", _nothing)
    two = training.train_step("sft", _rows("sft"), recipe, None, tmp_path / "two", _nothing)
    assert [row["loss"] for row in one["history"]] == [row["loss"] for row in two["history"]]
    weights = "adapter_model.safetensors"
    assert files.sha256(tmp_path / "one" / weights) == files.sha256(tmp_path / "two" / weights)
    assert one["last_loss"] < one["first_loss"]


def test_a_student_without_a_chat_template_takes_one_from_the_recipe(tiny: Path, tmp_path: Path) -> None:
    import shutil

    from empathic.student.load import load_student

    bare = tmp_path / "bare"
    shutil.copytree(tiny, bare)
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="no chat template"):
        load_student(str(bare))
    _, tokenizer = load_student(str(bare), "plain")
    shown = tokenizer.apply_chat_template(
        [*prompt.messages("Be kind.", "Hello"), {"role": "assistant", "content": "Hi."}], tokenize=False
    )
    assert shown == "Be kind.\n\nHello\n\nHi." + tokenizer.eos_token


@pytest.mark.parametrize(
    ("kind", "change", "line"),
    [
        ("sft", {"completion": [{"role": "assistant", "content": "  "}]}, "example '0' has an empty reply"),
        (
            "dpo",
            {"rejected": [{"role": "assistant", "content": "A leak right over you."}]},
            "prefers a reply to itself",
        ),
        ("sft", {"prompt": [{"role": "user", "content": "so sad " * 3000}]}, "context holds 2048"),
    ],
    ids=["an empty reply", "equal replies", "a prompt longer than the context"],
)
def test_examples_that_teach_nothing_are_refused(
    recipe: Recipe, kind: str, change: dict[str, Any], line: str, tmp_path: Path
) -> None:
    rows = _rows(kind)
    rows[0] |= change
    with pytest.raises(UserError, match=line):
        if kind == "sft":
            training.train_step("sft", rows, recipe, None, tmp_path / "sft", _nothing)
        else:
            training.train_step("sft", _rows("sft"), recipe, None, tmp_path / "sft", _nothing)
            training.train_step("dpo", rows, recipe, tmp_path / "sft", tmp_path / "dpo", _nothing)


@pytest.mark.slow
def test_every_later_step_goes_on_from_the_adapter_of_the_one_before(tiny: Path, tmp_path: Path) -> None:
    steps = (
        "steps=[{name: sft, epochs: 2, learning_rate: 0.01, batch_size: 2, lora_rank: 4}, {name: again, kind: sft}, "
    )
    recipe = load_recipe("demo", [f"student.model={tiny}", steps + "{name: dpo}, {name: dpo-2, kind: dpo}]"])
    first = training.train_step("sft", _rows("sft"), recipe, None, tmp_path / "sft", _nothing)
    again = training.train_step("again", _rows("sft"), recipe, tmp_path / "sft", tmp_path / "again", _nothing)
    assert again["first_loss"] < first["first_loss"], "it doesn't begin anew"
    for name, start in (("dpo", "again"), ("dpo-2", "dpo")):
        found = training.train_step(name, _rows("dpo"), recipe, tmp_path / start, tmp_path / name, _nothing)
        assert found["first_loss"] == pytest.approx(math.log(2), abs=1e-5), "the step before is the reference"
    shapes = [
        json.loads((tmp_path / name / "adapter_config.json").read_text("utf-8"))["r"] for name in ("sft", "dpo-2")
    ]
    assert shapes == [4, 4]


def test_a_step_without_anything_to_learn_from_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"corpus/preferences\.jsonl: holds nothing for steps\.dpo"):
        training.train_step("dpo", [], recipe, tmp_path / "sft", tmp_path / "dpo", _nothing)


@pytest.mark.slow
def test_a_corpus_of_one_example_trains(recipe: Recipe, tmp_path: Path) -> None:
    training.train_step("sft", _rows("sft")[:1], recipe, None, tmp_path / "sft", _nothing)
    result = training.train_step("dpo", _rows("dpo")[:1], recipe, tmp_path / "sft", tmp_path / "dpo", _nothing)
    assert result["first_loss"] == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.slow
def test_an_unknown_loss_is_refused_and_mixed_losses_train(recipe: Recipe, tiny: Path, tmp_path: Path) -> None:
    training.train_step("sft", _rows("sft"), recipe, None, tmp_path / "sft", _nothing)
    with pytest.raises(UserError, match="'sigmoidal' is none of TRL's"):
        _recipe(tiny, "steps.dpo.loss=sigmoidal")
    mixed = _recipe(tiny, "steps.dpo.loss={sigmoid: 1.0, sft: 0.5}")
    result = training.train_step("dpo", _rows("dpo"), mixed, tmp_path / "sft", tmp_path / "dpo", _nothing)
    assert result["first_loss"] > math.log(2) + 0.5


@pytest.mark.slow
def test_no_memory_left_names_the_setting_to_change(tiny: Path, tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from empathic.recipe import load_recipe
from empathic.student import trainers, training

said = ["%s " % i + "so sad " * 900 for i in range(6)]
rows = [{{"id": t[:1], "prompt": [{{"role": "user", "content": t}}],
          "completion": [{{"role": "assistant", "content": "I see."}}]}} for t in said]
recipe = load_recipe("demo", ["student.model={tiny}", "steps.sft.batch_size=6"])
trainer = trainers.make_trainer("sft", rows, recipe, None, Path("sft"))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), resource.getrlimit(resource.RLIMIT_AS)[1]))
training.train(trainer, Path("sft"), lambda done, total: None, print)
"""  # a process of its own: this one may hold enough freed memory
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "out of memory; set steps.sft.gradient_checkpointing: true, raise steps.sft.gradient_acc" in done.stderr


def test_a_step_learns_from_as_many_examples_as_it_is_told(tiny: Path, tmp_path: Path) -> None:
    seen = []
    for n in ("2", "5", "null"):
        recipe = _recipe(tiny, f"steps.sft.examples={n}")
        trainer = trainers.make_trainer("sft", _rows("sft"), recipe, None, tmp_path / n)
        seen.append({tuple(ids) for ids in trainer.train_dataset["input_ids"]})
    assert [len(one) for one in seen] == [2, 5, len(_rows("sft"))]
    assert seen[0] < seen[1] < seen[2]
