from __future__ import annotations

import pytest

from empathic.endpoints import keys


@pytest.mark.parametrize(
    ("where", "key", "says"),
    [
        ("https://api.openai.com/v1", "sk-proj-abc", ""),
        ("https://api.openai.com/v1", "sk-or-v1-abc", "has the shape of one of OpenRouter's"),
        ("https://api.openai.com/v1", "sk-ant-abc", "has the shape of one of Anthropic's"),
        ("https://api.openai.com/v1", "abc", "has another shape"),
        ("https://openrouter.ai/api/v1", "sk-or-v1-abc", ""),
        ("https://openrouter.ai/api/v1", "sk-abc", "has the shape of one of OpenAI's"),
        ("https://api.groq.com/openai/v1", "gsk_abc", ""),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "AIzaabc", ""),
        ("https://notopenai.com/v1", "gsk_abc", ""),
        ("http://127.0.0.1:4000/v1", "sk-1234", ""),
        ("https://api.deepseek.com/v1", "sk-abc", ""),
    ],
)
def test_a_key_of_another_provider_is_told_by_its_shape(where: str, key: str, says: str) -> None:
    found = keys.doubt(where, key)
    assert (says in found) if says else not found
    assert key not in found.split()
