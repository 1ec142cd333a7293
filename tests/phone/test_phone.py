from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from empathic.endpoints.chat_api import Request
from empathic.endpoints.client import ask
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.phone import convert, parity
from empathic.student import load, prompt
from empathic.student.load import load_student

TOLD = prompt.instruction("brief")
SAID = ["My dog died on Sunday.", "We won the cup!! 🏆", "نسيت عيد ميلادها", 'He said "no"\nand left.']


@pytest.mark.parametrize("quant", ["f32", "q8_0"])
@pytest.mark.slow
def test_the_file_reads_and_answers_as_the_merged_model_does(tiny: Path, tmp_path: Path, quant: str) -> None:
    convert.convert(tiny, tmp_path / "m.gguf", quant)
    with open_endpoint(f"local:{tmp_path / 'm.gguf'}") as endpoint:
        found = parity.check(endpoint, tiny, TOLD, SAID, max_tokens=16)
    assert found.prompts
    assert found.holds, found
    if quant == "f32":
        assert found.worst < 0.01


@pytest.mark.network
def test_smollm2_answers_as_its_file_does(tmp_path: Path) -> None:
    load.merge("smollm2-135m", None, None, tmp_path / "base")
    convert.convert(tmp_path / "base", tmp_path / "base.gguf", "q8_0")
    with open_endpoint(f"local:{tmp_path / 'base.gguf'}") as endpoint:
        found = parity.check(endpoint, tmp_path / "base", TOLD, SAID[:2], max_tokens=24)
    assert found.holds, found


def test_another_template_is_noticed(tiny: Path, tiny_gguf: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    (other / "chat_template.jinja").write_text(prompt.template("plain"), encoding="utf-8")
    with open_endpoint(f"local:{tiny_gguf}") as endpoint:
        found = parity.check(endpoint, other, TOLD, SAID[:1], max_tokens=4)
    assert not found.prompts
    assert not found.holds


def test_other_weights_are_noticed(tiny: Path, tiny_gguf: Path, tmp_path: Path) -> None:
    import torch

    model, tokenizer = load_student(str(tiny))
    torch.manual_seed(7)
    for weights in model.parameters():
        weights.data.add_(torch.randn_like(weights) * 0.3)
    model.save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    with open_endpoint(f"local:{tiny_gguf}") as endpoint:
        assert not parity.check(endpoint, tmp_path / "other", TOLD, SAID, max_tokens=16).holds


@pytest.mark.slow
def test_what_the_converter_does_not_know_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text('{"architectures": ["NoSuchModel"]}', encoding="utf-8")
    line = r"^llama\.cpp's converter can't write our/odd as GGUF \(Model NoSuchModel is not supported\); choose another"
    with pytest.raises(UserError, match=line):
        convert.convert(tmp_path / "odd", tmp_path / "odd.gguf", "q8_0", of="our/odd")
    assert not (tmp_path / "odd.gguf").exists()


def test_a_torn_file_is_refused_by_the_server_in_one_line(tiny_gguf: Path, tmp_path: Path) -> None:
    data = tiny_gguf.read_bytes()
    (tmp_path / "torn.gguf").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="is the file whole"), open_endpoint(f"local:{tmp_path / 'torn.gguf'}"):
        pass


def test_answers_come_in_the_order_of_the_requests_whatever_the_slots(tiny_gguf: Path, tmp_path: Path) -> None:
    requests = [Request(prompt.messages(TOLD, f"{i} apples"), max_tokens=6) for i in range(9)]
    with open_endpoint(f"local:{tiny_gguf}") as endpoint:
        one = list(ask(endpoint, requests, Ledger(tmp_path / "a.sqlite"), "replies"))
    with open_endpoint(f"local:{tiny_gguf}", parallel=3) as endpoint:
        three = list(ask(endpoint, requests, Ledger(tmp_path / "b.sqlite"), "replies"))
    assert len({answer.text for answer in one}) > 1, "the same answer to all would be in any order"
    assert [answer.text for answer in one] == [answer.text for answer in three]
