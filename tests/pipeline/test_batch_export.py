"""Questions written to batch files, and what can not be asked by them."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import KEY, answered, write_recipe

from empathic import files


def test_questions_are_lines_that_hosts_take_without_a_secret(at: Path, command, export, monkeypatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    lines = export(write_recipe(at, extra_body={"reasoning_effort": "low"}))
    assert len(lines) == 4
    assert {(line["method"], line["url"], line["body"]["model"]) for line in lines} == {
        ("POST", "/v1/chat/completions", "gpt-4o")
    }
    assert {line["body"]["reasoning_effort"] for line in lines} == {"low"}
    assert max(len(line["custom_id"]) for line in lines) <= 64
    assert export("runs/r", "again.jsonl") == lines
    code, said = command("teacher", "export-batch", write_recipe(at, extra_body={"api_key": KEY}), "--out", "no.jsonl")
    assert code == 2
    assert "SOME_KEY" in said
    assert KEY not in said
    assert not Path("no.jsonl").exists()


def test_too_much_for_a_file_becomes_several(at: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("empathic.endpoints.batch_lines.MOST_REQUESTS", 3)
    code, said = command("teacher", "export-batch", write_recipe(at), "--out", "many/q.jsonl")
    assert code == 0
    assert "4 questions are in many/q-1.jsonl to many/q-2.jsonl" in said
    assert sorted(path.name for path in Path("many").iterdir()) == ["q-1.jsonl", "q-2.jsonl"]
    parts = [list(files.read_jsonl(Path("many") / name)) for name in ("q-1.jsonl", "q-2.jsonl")]
    assert [len(part) for part in parts] == [3, 1]
    for name, part in zip("ab", parts, strict=True):
        files.write_jsonl(Path(name), map(answered, part))
    assert "4 new answers" in command("teacher", "import-batch", "r.yaml", "b", "a")[1]


def test_samples_are_asked_for_in_one_file(at: Path, export) -> None:
    assert len(export(write_recipe(at, best_of=3))) == 12


def test_what_can_not_be_asked_by_files_is_refused(at: Path, command) -> None:
    def line(recipe: str) -> str:
        code, said = command("teacher", "export-batch", recipe, "--out", "q.jsonl")
        assert code == 2
        return said

    assert "teacher.endpoint" in line(write_recipe(at, url="local:smollm2-135m"))
    assert "teacher.model" in line(write_recipe(at, model=None))
    assert "budget" in line(write_recipe(at, budget=0.0001))
    assert not list(at.glob("*q*"))
    assert "matrix" in line("paper")
    assert "no such recipe" in line("nowhere.yaml")
