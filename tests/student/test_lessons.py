"""What a step learns from: read row by row, as often as it is wanted, and drawn as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from empathic.errors import UserError
from empathic.stats import sample
from empathic.student import lessons, training
from empathic.student.lessons import Lessons


def _row(number: int, reply: str = "I see.") -> dict[str, Any]:
    return {
        "id": f"d{number}",
        "prompt": [{"role": "user", "content": f"boat {number}"}],
        "completion": [{"role": "assistant", "content": reply}],
    }


def test_the_rows_of_a_file_come_as_often_as_they_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(_row(i)) + "\n" for i in range(5)), encoding="utf-8")
    rows = Lessons(path)
    assert list(rows) == list(rows) == [_row(i) for i in range(5)]


@pytest.mark.parametrize("most", [None, 1, 7, 30, 31])
def test_the_sample_is_the_one_that_a_list_gave(most: int | None) -> None:
    rows = [_row(i) for i in range(30)]
    drawn = lessons.drawn(rows, most, "42 sft")
    assert list(drawn()) == list(drawn()) == [rows[i] for i in sample.places(30, most, "42 sft")]


def test_a_line_in_the_middle_that_is_no_row_is_named(tiny: Path, tmp_path: Path) -> None:
    from empathic.recipe import load_recipe

    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(_row(i)) for i in range(9)]
    lines[4] = lines[4][:-9]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = load_recipe("demo", [f"student.model={tiny}"])
    with pytest.raises(UserError, match=r"rows\.jsonl:5: not a JSON object"):
        training.train_step("sft", Lessons(path), recipe, None, tmp_path / "sft", lambda done, total: None)
    assert not list(tmp_path.rglob("*.arrow*")), "no torn file stays"


def test_a_row_without_a_reply_is_named() -> None:
    rows: list[dict[str, Any]] = [_row(1), {"id": "d2", "prompt": []}]
    with pytest.raises(UserError, match=r"row 2 .*'d2', has no messages under completion"):
        lessons.check(lambda: iter(rows), ("completion",))
    with pytest.raises(UserError, match="'d1' has an empty reply"):
        lessons.check(lambda: iter([_row(1, " ")]), ("completion",))
