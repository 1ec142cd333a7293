from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from empathic.cli.main import main
from empathic.recipe import load_recipe


def _shown(capsys: Any, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["inspect", *arguments])
        raise SystemExit(0)
    assert not ended.value.code
    return capsys.readouterr().out


def test_a_file_is_told_and_its_recipe_can_be_used(tmp_path: Path, capsys: Any) -> None:
    rows = [f"{n};Text {n};Ja {n}" for n in range(8)] + ["8;;leer", "0;Text 0;Ja", "9;X\0;n"]
    (tmp_path / "x.csv").write_text("\ufeffid;utterance;reply.kind\r\n" + "\r\n".join(rows[:-1]), encoding="utf-8")
    shown = _shown(capsys, str(tmp_path / "x.csv"))
    assert "CSV, UTF-8 with a BOM, parted by semicolons" in shown
    assert "10, 8 would be used" in shown
    assert "1: the utterance is empty" in shown and "x.csv:10" in shown
    assert "duplicates dropped   1" in shown
    written = tmp_path / "mine.yaml"
    written.write_text("name: mine\n" + shown.partition("# in a recipe\n")[2], encoding="utf-8")
    assert load_recipe(str(written)).method.teachers == ["kind"]


def test_a_preference_set_names_its_method(tmp_path: Path, capsys: Any) -> None:
    row = {"prompt": "My dog died.", "chosen": "Oh.", "rejected": "So?", "split": "train_prefs"}
    lines = [row, {**row, "prompt": "I won.", "split": "test_prefs"}]
    (tmp_path / "x.json").write_text(json.dumps(lines), encoding="utf-8")
    shown = _shown(capsys, str(tmp_path / "x.json"))
    recipe = yaml.safe_load(shown.partition("# in a recipe\n")[2])
    assert recipe["dialogues"]["split"] == "source"
    assert recipe["method"]["rejected"] == ["rejected"]


def test_an_unknown_column_is_one_line(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(tmp_path / "x.csv")])
    assert ended.value.code == 2
    assert "no column 'utterance'" in capsys.readouterr().err
