from __future__ import annotations

from pathlib import Path

import pytest

from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.judge.measures import specificity
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.student import prompt

TESTED = [EvalDialogue(f"d{i}", f"I lost my {thing} today.") for i, thing in enumerate(("dog", "job", "keys", "hat"))]


def test_specificity_equals_the_plain_computation(tiny: Path, tmp_path: Path) -> None:
    import torch

    from empathic.student.load import load_student

    told = prompt.instruction("brief")
    replies = ("Your dog, gone today.", "Oh.", "", "I don't know what to say about all this 🙂")
    utterances = [d.utterance for d in TESTED]
    model, tokenizer = load_student(str(tiny))

    def plain(utterance: str, reply: str) -> float:
        shown = tokenizer.apply_chat_template(
            prompt.messages(told, utterance), tokenize=False, add_generation_prompt=True
        )
        head = tokenizer(shown, add_special_tokens=False)["input_ids"]
        tail = tokenizer(reply, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logps = model(torch.tensor([head + tail])).logits[0].log_softmax(-1)
        return float(sum(logps[len(head) - 1 + i, token] for i, token in enumerate(tail)))

    want = [plain(utterances[0], r) - sum(plain(u, r) for u in utterances[1:]) / 3 for r in replies]
    scorer = specificity.Specificity(str(tiny), None, told, Ledger(tmp_path / "ledger.sqlite"))
    got = scorer.score([specificity.SpecificityItem(utterances[0], tuple(utterances[1:]), replies)])[0]
    assert got == pytest.approx(want, abs=1e-3)
    kept = specificity.Specificity("gone", None, told, Ledger(tmp_path / "other.sqlite"))
    with pytest.raises(UserError, match="gone"):
        kept.score([specificity.SpecificityItem("a", ("b",), ("c",))])


def test_specificity_needs_two_dialogues(tmp_path: Path) -> None:
    scorer = specificity.Specificity("any", None, "Be kind.", Ledger(tmp_path / "ledger.sqlite"))
    measure = specificity.SpecificityMeasure(scorer)
    assert measure.lacks(EvalSet(TESTED[:1], {"a": {"d0": "x"}}))
    assert not measure.lacks(EvalSet(TESTED[:2], {"a": {"d0": "x"}}))
