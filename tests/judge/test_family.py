from __future__ import annotations

import pytest

from empathic.judge.family import family, related, teachers, warnings
from empathic.recipe import Judge, Recipe, load_recipe

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


def _related(recipe: Recipe) -> list[dict[str, str]]:
    return related(recipe.judge, teachers(recipe))


def test_a_judge_of_the_teachers_family_is_named() -> None:
    assert _related(load_recipe("demo")) == []
    found = _related(load_recipe("demo", ["teacher.endpoint=local:qwen2.5-coder-1.5b", "method.name=llm-improved"]))
    assert [(row["judge"], row["family"]) for row in found] == [("qwen", "Qwen")]
    judged = load_recipe(
        "demo", ["method.teachers=[chatgpt]", 'judge=[{name: a, endpoint: "http://x/v1", model: gpt-4o}]']
    )
    assert _related(judged) == [{"judge": "a", "teacher": "chatgpt", "family": "GPT"}]


def test_any_of_several_teachers_may_be_the_judges_relative() -> None:
    found = related([Judge()], ["gpt-4o", "qwen-max", "nobody-knows", "qwq-32b"])
    assert [row["teacher"] for row in found] == ["qwen-max", "qwq-32b"]
    first, second = warnings(found)
    assert first.startswith("the judge qwen and the teacher qwen-max are both Qwen models") and "qwq-32b" in second
    assert related([Judge()], []) == []
