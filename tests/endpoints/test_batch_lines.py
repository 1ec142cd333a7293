"""The lines of batch files."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from empathic.endpoints import batch_lines
from empathic.endpoints.batch_import import Results
from empathic.files import write_jsonl


def test_lines_are_split_where_a_file_would_be_too_long_or_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (batch_lines.MOST_REQUESTS, batch_lines.MOST_BYTES) == (50_000, 200_000_000)
    lines = [b"x" * 9 + b"\n"] * 50_001
    assert [len(list(part)) for part in batch_lines.parts(lines)] == [50_000, 1]
    monkeypatch.setattr(batch_lines, "MOST_BYTES", 35)
    assert [len(list(part)) for part in batch_lines.parts(lines[:7])] == [3, 3, 1]
    assert [len(list(part)) for part in batch_lines.parts([b"x" * 99, b"y"])] == [1, 1]
    assert not list(batch_lines.parts([]))


def test_an_answer_counts_before_an_error_whatever_their_order(tmp_path: Path) -> None:
    choice = {"message": {"content": "So the house is quiet."}}
    well: dict[str, Any] = {"custom_id": "x", "response": {"status_code": 200, "body": {"choices": [choice]}}}
    expired: dict[str, Any] = {
        "custom_id": "x",
        "response": None,
        "error": {"code": "batch_expired", "message": "sk-1 was late."},
    }
    for rows in itertools.permutations((well, expired)):
        write_jsonl(tmp_path / "a.jsonl", rows)
        found = Results.read([tmp_path / "a.jsonl"])
        assert found.lines["x"].answer is not None
        assert not found.others
    write_jsonl(tmp_path / "a.jsonl", [expired])
    assert Results.read([tmp_path / "a.jsonl"], "sk-1").lines["x"].why == "the server answered nothing (… was late.)"
