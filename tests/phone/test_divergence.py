from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from empathic.phone import convert, divergence, parity
from empathic.phone.logits import Logits
from empathic.student import prompt
from empathic.student.load import load_student

TOLD = prompt.instruction("brief")
SAID = ["My dog died on Sunday.", "We won the cup!! 🏆"]


@pytest.fixture(scope="module")
def student(tiny: Path) -> Any:
    return load_student(str(tiny))


def _reference(student: Any, folder: Path, said: list[str]) -> divergence.Reference:
    return divergence.reference(student[0], student[1], TOLD, said, folder, 8, lambda done, total: None)


def test_the_model_is_followed_along_its_own_reply_and_over_what_was_said(student: Any, tmp_path: Path) -> None:
    tokenizer = student[1]
    found = _reference(student, tmp_path, SAID)
    for one, said in zip(found.followed, SAID, strict=True):
        assert one.tokens[: one.reply] == parity.prompt_tokens(tokenizer, prompt.messages(TOLD, said))
        assert 1 <= len(one.tokens) - one.reply <= 8
        assert tokenizer.decode(one.tokens[slice(*one.said)]).strip() == said
    assert found.perplexity > 1


def test_a_penalty_among_the_models_own_settings_doesnt_change_what_is_followed(tiny: Path, tmp_path: Path) -> None:
    student = load_student(str(tiny))
    (plain,) = _reference(student, tmp_path, SAID[:1]).followed
    student[0].generation_config.repetition_penalty = 50.0
    (penalised,) = _reference(student, tmp_path, SAID[:1]).followed
    assert penalised.tokens == plain.tokens


@pytest.mark.slow
def test_a_file_of_the_same_weights_is_the_same_and_one_of_others_is_not(
    student: Any, tiny: Path, tiny_gguf: Path, tmp_path: Path
) -> None:
    convert.convert(tiny, tmp_path / "same.gguf", "f32")
    against = _reference(student, tmp_path, SAID)
    same = divergence.measure(tmp_path / "same.gguf", against)
    assert same.kl_mean == pytest.approx(0, abs=1e-4)
    assert same.top1 == 1
    assert same.perplexity == pytest.approx(against.perplexity, rel=0.01)
    assert same.positions == sum(len(one.tokens) - one.reply for one in against.followed)
    other = divergence.measure(tiny_gguf, against)
    assert other.kl_mean > 0.1 and other.top1 < 1
    assert other.kl_999 >= other.kl_mean


@pytest.mark.slow
def test_logits_are_those_of_transformers_at_every_place(student: Any, tiny: Path, tmp_path: Path) -> None:
    import torch

    convert.convert(tiny, tmp_path / "same.gguf", "f32")
    tokens = list(range(10, 40))
    with torch.inference_mode():
        want = student[0](torch.tensor([tokens])).logits[0].numpy()
    with Logits(tmp_path / "same.gguf", 64) as file:
        assert file.along(tokens) == pytest.approx(want, abs=2e-2)
        assert file.along(tokens, 25) == pytest.approx(want[25:], abs=2e-2)
        assert math.isclose(float(file.along(tokens[:5])[4].max()), float(want[4].max()), abs_tol=2e-2)
