from __future__ import annotations

from typing import Any

import pytest
from go_template import render
from tokens import TOKENIZER

from empathic.phone import modelfile
from empathic.phone.turns import end_of_turn, turns
from empathic.student import prompt

TALK = [
    {"role": "user", "content": "My dog died on Sunday."},
    {"role": "assistant", "content": "Sunday, and the house so still."},
    {"role": "user", "content": 'He said "no"\nand left. 🏆'},
]


@pytest.fixture
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(TOKENIZER)


@pytest.mark.parametrize("template", [None, "plain"])
@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("told", ["Be kind.", ""])
def test_ollama_makes_the_prompt_that_transformers_makes(
    tokenizer: Any, template: str | None, length: int, told: str
) -> None:
    if template:
        tokenizer.chat_template = prompt.template(template)
    asked = [*([{"role": "system", "content": told}] if told else []), *TALK[:length]]
    ours = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert render(modelfile.template(tokenizer, False), told, TALK[:length]) == ours


def test_the_first_token_is_left_to_ollama_where_the_file_adds_it(tokenizer: Any) -> None:
    for told in ("Be kind.", ""):
        with_bos = render(modelfile.template(tokenizer, False), told, TALK)
        assert with_bos.startswith(tokenizer.bos_token)
        assert render(modelfile.template(tokenizer, True), told, TALK) == with_bos.removeprefix(tokenizer.bos_token)


def test_a_reply_ends_with_the_token_that_the_template_puts_after_it(tokenizer: Any) -> None:
    assert tokenizer.decode([end_of_turn(tokenizer)]) == "<|im_end|>"


def test_a_template_that_pieces_cannot_make_leaves_ollama_to_the_file(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ messages | length }}{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    assert turns(tokenizer) is None
    text = modelfile.modelfile("a.gguf", tokenizer, "Be kind.", 0.0, 9, False)
    assert "TEMPLATE" not in text and 'SYSTEM """Be kind."""' in text
