"""What llama.cpp's converter will refuse is said before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from empathic.errors import UserError
from empathic.phone import convertible, vocabulary
from empathic.student import load


def _student(tiny: Path) -> tuple[Any, Any]:
    return load.load_config(str(tiny)), load.load_tokenizer(str(tiny))[0]


def test_what_it_knows_is_read_from_its_source() -> None:
    known = convertible._architectures()
    assert {"LlamaForCausalLM", "Qwen3ForCausalLM", "Gemma2ForCausalLM", "GPT2LMHeadModel"} <= known
    assert "OPTForCausalLM" not in known
    assert len(convertible._fingerprints()) > 50
    assert "🚀" in (convertible.known_by() or "")


def test_a_known_student_passes_without_the_converter(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convertible.convert, "convert_vocabulary", None)
    convertible.check("tiny", *_student(tiny))


def test_an_unknown_architecture_is_one_line(tiny: Path) -> None:
    config, tokenizer = _student(tiny)
    config.model_type = "opt"
    with pytest.raises(UserError, match=r"tiny is an OPTForCausalLM, which llama\.cpp's converter doesn't know"):
        convertible.check("tiny", config, tokenizer)


@pytest.mark.slow  # the converter starts in ten seconds
def test_an_unknown_tokenizer_is_one_line_in_the_converters_words(tiny: Path) -> None:
    from tokenizers import normalizers

    config, tokenizer = _student(tiny)
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(UserError, match=r"can't take the tokenizer of .* \(.*not recognized.*\), so"):
        convertible.check(str(tiny), config, tokenizer)


def test_this_machines_llama_cpp_can_be_asked_for_a_vocabulary_alone(tiny_gguf: Path, tiny: Path) -> None:
    _, tokenizer = _student(tiny)
    (found,) = vocabulary.read(tiny_gguf, ["Hello, my dog."], tokenizer.bos_token) or [[]]
    assert found == tokenizer("Hello, my dog.", add_special_tokens=False)["input_ids"]
