"""Ten families of students, trained, exported and held against their merged models; files that read otherwise are not.

Phi-4 is left out: the converter wants its tokenizer's class written as GPT2Tokenizer, whose own splitting it then knows
by real tokens alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from families import FAMILIES, make

from empathic import files
from empathic.endpoints.open import open_endpoint
from empathic.phone import convert, convertible, parity
from empathic.recipe import load_recipe
from empathic.student import load, prompt, training

EVERY_TIME = ("gemma-2", "base")  # no system message, no template; the others are `make long`'s
TOLD = prompt.instruction("brief")
SAID = ["My dog died on Sunday.", "We won the cup!! 🏆", 'He said "no"\nand left.']


def _rows(keys: tuple[str, ...]) -> list[dict[str, Any]]:
    replies = {"completion": "Sunday, and so still.", "chosen": "Sunday, and so still.", "rejected": "Oh well."}
    return [
        {
            "id": str(i),
            "prompt": [{"role": "user", "content": said}],
            **{key: [{"role": "assistant", "content": f"{replies[key]} {i}"}] for key in keys},
        }
        for i, said in enumerate(SAID)
    ]


@pytest.fixture
def merged(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A family's student after SFT and DPO, merged, as the phone stage writes it."""
    name = request.param
    student, given = make(name, tmp_path / "student"), FAMILIES[name].given
    settings = [f"student.model={student}", *([f"student.template={given}"] if given else [])]
    steps = ("sft", "dpo")
    settings += [f"steps.{step}.{key}" for step in steps for key in ("epochs=1", "batch_size=2", "learning_rate=0.01")]
    recipe = load_recipe("demo", settings)
    tokenizer, done = load.load_tokenizer(str(student), given)
    assert tuple(done) == FAMILIES[name].done
    convertible.check(str(student), load.load_config(str(student)), tokenizer)
    start = None
    for step, keys in zip(steps, (("completion",), ("chosen", "rejected")), strict=True):
        training.train_step(step, _rows(keys), recipe, start, tmp_path / step, lambda done, total: None)
        start = tmp_path / step
    load.merge(str(student), given, start, tmp_path / "merged")
    return tmp_path / "merged"


@pytest.mark.slow
@pytest.mark.parametrize(
    "merged",
    [pytest.param(name, marks=[] if name in EVERY_TIME else pytest.mark.long) for name in FAMILIES],
    indirect=True,
)
def test_the_file_of_a_family_reads_and_answers_as_the_student_does(merged: Path, tmp_path: Path) -> None:
    convert.convert(merged, tmp_path / "m.gguf", "f32")
    with open_endpoint(f"local:{tmp_path / 'm.gguf'}") as endpoint:
        found = parity.check(endpoint, merged, TOLD, SAID, max_tokens=12)
    assert found.prompts and found.holds, found
    assert found.worst < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("merged", ["base", "gemma-2"], indirect=True)
def test_a_file_that_begins_or_shows_a_prompt_otherwise_is_refused(merged: Path, tmp_path: Path) -> None:
    """The first token twice, the first token missing, another template: each in a file of its own."""
    template = (merged / "chat_template.jinja").read_text(encoding="utf-8")
    twice = {"template": "{{ bos_token }}" + template}
    missing = {"template": template.replace("{{- bos_token }}", "").replace("{{ bos_token }}", ""), "adds": False}
    other = {"template": template.replace("\n\n", "\n").replace("\\n\\n", "\\n")}
    every: list[dict[str, Any]] = [twice, missing, other]
    for number, wrong in enumerate(every):
        assert wrong["template"] != template
        folder = tmp_path / f"wrong{number}"
        shutil.copytree(merged, folder)
        (folder / "chat_template.jinja").write_text(str(wrong["template"]), encoding="utf-8")
        if "adds" in wrong:
            about = folder / "tokenizer_config.json"
            files.write_json(about, {**files.read_json(about), "add_bos_token": wrong["adds"]})
        convert.convert(folder, tmp_path / "wrong.gguf", "f32")
        with open_endpoint(f"local:{tmp_path / 'wrong.gguf'}") as endpoint:
            assert not parity.check(endpoint, merged, TOLD, SAID[:1], max_tokens=2).holds, wrong
