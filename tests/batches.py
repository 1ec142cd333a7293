"""Batch files for tests: a recipe whose teacher is asked by them, and lines as hosts answer them."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from empathic.endpoints.ledger import Ledger

KEY = "sk-very-secret-indeed"
Line = dict[str, Any]


def write_recipe(at: Path, strategy: str = "naive", url: str = "https://api.openai.com/v1", **teacher: Any) -> str:
    asked = {"endpoint": url, "model": "gpt-4o", "key_env": "SOME_KEY", **teacher}
    recipe = {
        "name": "r",
        "dialogues": {"source": "six.jsonl"},
        "method": {"name": "human-improved"},
        "strategy": strategy,
        "teacher": asked,
    }
    (at / "r.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    return "r.yaml"


def answered(asked: Line, text: str = "", **body: Any) -> Line:
    """A line as OpenAI and vLLM write it."""
    text = text or f"It lies there since the storm, {asked['custom_id'][:6]}, and the bay looks the same."
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    full = {"id": "x", "object": "chat.completion", "model": "gpt-4o-2024-08-06", "choices": [choice], "usage": usage}
    response = {"status_code": 200, "request_id": "r", "body": full | body}
    return {"id": "b", "custom_id": asked["custom_id"], "response": response, "error": None}


def bill() -> list[dict[str, Any]]:
    with closing(Ledger(Path("runs/r/ledger.sqlite"))) as ledger:
        return ledger.bill()
