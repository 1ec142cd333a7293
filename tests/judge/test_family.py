from __future__ import annotations

import pytest

from empathic.judge.family import family, related
from empathic.recipe import load

NAMES = {
    "gpt-4o-2024-08-06": "GPT",
    "chatgpt": "GPT",
    "models/gemini-1.5-pro": "Gemini",
    "claude-sonnet-4": "Claude",
    "meta-llama/Llama-3.1-8B-Instruct": "Llama",
    "mistralai/Mixtral-8x7B": "Mistral",
    "local:qwen2.5-coder-1.5b": "Qwen",
    "local:/models/llama.cpp/smollm2-135m.gguf": "SmolLM",
    "targeted": None,
    "http://127.0.0.1:8080/v1": None,
}


@pytest.mark.parametrize(("name", "of"), NAMES.items())
def test_a_models_name_tells_its_family(name: str, of: str | None) -> None:
    assert family(name) == of


def test_a_judge_of_the_teachers_family_is_named() -> None:
    assert related(load("demo")) == []
    found = related(load("demo", ["teacher.endpoint=local:qwen2.5-coder-1.5b", "method.name=llm-improved"]))
    assert [(row["judge"], row["family"]) for row in found] == [("qwen", "Qwen")]
    judged = load("demo", ["method.teachers=[chatgpt]", 'judge=[{name: a, endpoint: "http://x/v1", model: gpt-4o}]'])
    assert related(judged) == [{"judge": "a", "teacher": "chatgpt", "family": "GPT"}]
