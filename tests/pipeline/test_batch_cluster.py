"""The command that has a cluster ask batch files, as far as it goes without one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from batches import KEY, write_recipe


@pytest.mark.parametrize("limit", [{"requests_per_minute": 60}, {"budget": 5.0}], ids=["a cap", "a budget"])
def test_what_a_cluster_does_not_keep_is_refused(
    at: Path, command: Any, export: Any, monkeypatch: pytest.MonkeyPatch, limit: dict[str, Any]
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    export(write_recipe(at, **limit), "q.jsonl")
    code, said = command("teacher", "ask-batch", "r.yaml", "q.jsonl", "--out", "answers.jsonl")
    assert code == 2 and "a cluster keeps neither" in said and not Path("answers.jsonl").exists()


def test_without_ray_it_says_what_to_install(
    at: Path, command: Any, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    monkeypatch.setitem(sys.modules, "ray", None)
    export(write_recipe(at), "q.jsonl")
    code, said = command("teacher", "ask-batch", "r.yaml", "q.jsonl", "--out", "answers.jsonl")
    assert code == 2 and "pip install 'empathic[ray]'" in said
