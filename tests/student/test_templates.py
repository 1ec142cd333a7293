"""Chat templates of ten families' shapes, made to fit; those that can't be are one line."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from families import BYTES, FAMILIES, byte_level
from tokens import TOKENIZER

from empathic.errors import UserError
from empathic.student import prompt, templates
from empathic.student.examples import example, pair, prompt_ids, reply_ids

ASKED = prompt.messages("Be kind.", "My dog is gone.")
REPLY = [{"role": "assistant", "content": "Gone, and so still."}]
PLAIN = "{% for m in messages %}{{ m['content'] }}{{ eos_token if m['role'] == 'assistant' else ' ' }}{% endfor %}"


def _tokenizer(template: str | None = None) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    if template:
        tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize("name", BYTES)
def test_a_family_is_asked_and_learns_with_the_same_tokens(name: str) -> None:
    tokenizer = byte_level(name)
    assert tuple(templates.fit(tokenizer, name)) == FAMILIES[name].done
    asked = prompt_ids(tokenizer, ASKED)
    shown = templates.shown(tokenizer, ASKED)
    assert tokenizer.decode(asked) == shown and "Be kind." in shown
    assert asked == tokenizer(shown, add_special_tokens=False)["input_ids"]
    said = tokenizer.decode(reply_ids(tokenizer, ASKED, REPLY))
    assert said.startswith(REPLY[0]["content"]) and said.rstrip().endswith(tokenizer.eos_token)
    assert tokenizer.pad_token_id is not None


@pytest.mark.parametrize("name", ["smollm2", "qwen2.5", "llama-3"])
def test_a_template_that_needs_nothing_stays_to_the_letter(name: str) -> None:
    tokenizer = byte_level(name)
    before = tokenizer.chat_template
    templates.fit(tokenizer, name)
    assert tokenizer.chat_template == before


def test_smollm2s_rows_are_those_that_trl_makes() -> None:
    """The tokens that its own tokenisation of whole dialogues gave, before rows were made of tokens here."""
    tokenizer = _tokenizer()
    templates.fit(tokenizer, "smollm2")
    said = [("My dog is gone.", "Gone, and so still."), ("We won the cup!! 🏆", "Won\n\nat last!"), (" x ", " y")]
    rows = [
        {
            "prompt": prompt.messages(prompt.instruction("brief"), one),
            **{key: [{"role": "assistant", "content": reply}] for key in ("completion", "chosen")},
            "rejected": [{"role": "assistant", "content": "Oh well."}],
        }
        for one, reply in said
    ]
    of_trl = _by_trl(tokenizer, rows)
    assert [list(example(tokenizer, row).values()) for row in rows] == of_trl[0]
    keys = ("prompt_ids", "chosen_ids", "rejected_ids")
    assert [[pair(tokenizer, row)[key] for key in keys] for row in rows] == of_trl[1]
    assert hashlib.sha256(json.dumps(of_trl).encode()).hexdigest()[:16] == "5a39107961296392"


def _by_trl(tokenizer: Any, rows: list[dict[str, Any]]) -> list[Any]:
    from types import SimpleNamespace

    from datasets import Dataset
    from trl import DPOTrainer, SFTTrainer

    trainer: Any = SimpleNamespace(_tokenizer=tokenizer, completion_only_loss=True, chat_template=None)
    args: Any = SimpleNamespace(
        dataset_num_proc=None,
        max_length=None,
        dataset_text_field="text",
        assistant_only_loss=False,
        shuffle_dataset=False,
    )

    def of(*keys: str) -> Dataset:
        return Dataset.from_list([{key: row[key] for key in keys} for row in rows])

    sft = SFTTrainer._prepare_dataset(trainer, of("prompt", "completion"), tokenizer, args, False, None, "train")
    dpo = DPOTrainer._prepare_dataset(trainer, of("prompt", "chosen", "rejected"), tokenizer, args, "train")
    return [
        [[list(row["input_ids"]), list(row["labels"])] for row in sft],
        [[list(row[key]) for key in ("prompt_ids", "chosen_ids", "rejected_ids")] for row in dpo],
    ]


def test_a_reply_is_learnt_where_it_will_begin_though_the_whole_is_tokenised_otherwise() -> None:
    tokenizer = byte_level("gpt-2")
    templates.fit(tokenizer, "gpt-2")
    asked = prompt_ids(tokenizer, ASKED)
    whole = tokenizer.apply_chat_template([*ASKED, *REPLY], return_dict=True)["input_ids"]
    assert whole[: len(asked)] != asked, "else this tells nothing"
    assert asked + reply_ids(tokenizer, ASKED, REPLY) != whole
    row = example(tokenizer, {"prompt": ASKED, "completion": REPLY})
    assert row["input_ids"][: len(asked)] == asked and row["labels"][: len(asked)] == [-100] * len(asked)
    assert tokenizer.decode(row["input_ids"]) == tokenizer.decode(whole)


def test_an_instruction_that_a_template_refuses_or_drops_goes_into_the_first_message() -> None:
    refuses = "{% for m in messages if m['role'] == 'system' %}{{ raise_exception('no') }}{% endfor %}" + PLAIN
    drops = PLAIN.replace("in messages", "in messages if m['role'] != 'system'")
    for template in (refuses, drops):
        tokenizer = _tokenizer(template)
        assert templates.fit(tokenizer, "x") == ["the instruction goes into the first message"]
        assert templates.shown(tokenizer, ASKED) == "Be kind.\n\nMy dog is gone. "
        assert templates.shown(tokenizer, ASKED[1:]) == "My dog is gone. "
        longer = [*ASKED, *REPLY, ASKED[1]]
        assert templates.shown(tokenizer, longer).count("Be kind.") == 1


def test_every_prompt_begins_as_the_tokenizers_texts_do() -> None:
    tokenizer = byte_level("gpt-2")
    tokenizer.add_bos_token = True
    assert "every prompt begins with <|endoftext|>" in templates.fit(tokenizer, "gpt-2")
    assert prompt_ids(tokenizer, ASKED)[:2].count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("{{ 1 / 0 }}", "can't be filled in"),
        ("{% for m in messages %}{{ m['role'] }}{% endfor %}", "leaves out what a person says"),
        ("{{ messages[-1]['content'] }}{{ eos_token }}", "leaves out the instruction|otherwise once it has its reply"),
        (PLAIN.replace("eos_token", "'.'"), "puts no token of its own after a reply"),
        (PLAIN + "{% if add_generation_prompt %}<think>{% endif %}", "otherwise once it has its reply"),
        (
            PLAIN.replace("{{ m['content'] }}", "{% if m['role'] == 'assistant' %}Bot: {% endif %}{{ m['content'] }}"),
            "has 'Bot:' before a reply, but not in a prompt",
        ),
        (PLAIN.replace("eos_token", "'<|odd|>'") + "{# eos_token #}", "at which llama.cpp doesn't stop"),
    ],
)
def test_a_template_that_will_not_do_is_one_line(template: str, line: str) -> None:
    tokenizer = _tokenizer(template)
    tokenizer.add_tokens(["<|odd|>"], special_tokens=True)
    with pytest.raises(UserError, match=line):
        templates.fit(tokenizer, "mine")
