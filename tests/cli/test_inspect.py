from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from empathic.cli.main import main
from empathic.corpus import direct
from empathic.dialogues import Dialogue, sources
from empathic.errors import UserError
from empathic.recipe import Dialogues, Method, load_recipe
from empathic.teacher import recorded


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
    assert f"empty utterances dropped 1, first in {tmp_path / 'x.csv'}:10" in shown
    assert "duplicates dropped       1, first in" in shown
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


def _refused(capsys: Any, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["inspect", *arguments])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert "# in a recipe" not in out
    return str(out + err)


def test_an_unknown_column_is_one_line(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "x.csv").write_text("\n\nwhat is it,b\n1,My roof leaks\n", encoding="utf-8")
    shown = _refused(capsys, str(tmp_path / "x.csv"))
    assert "x.csv:3: no column 'utterance'; it has 'what is it', 'b'; name it: --column utterance=b" in shown
    shown = _refused(capsys, str(tmp_path / "x.csv"), "--column", "utterance=what is")
    assert "did you mean 'what is it'? name it: --column 'utterance=what is it'" in shown


def test_a_file_without_an_utterance_names_the_column_that_may_hold_it(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "x.csv").write_text("utterance,text,n\n,My roof leaks.,1\n,,\n,We won!,2\n", encoding="utf-8")
    shown = _refused(capsys, str(tmp_path / "x.csv"))
    assert "no row can be used: 2 empty utterances dropped, 1 blank rows dropped" in shown
    assert "name it: --column utterance=text" in shown


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.csv", "id,utterance\n1,a\n1,b\n1,c\n2,d\n2,e\n", "x.csv:3: the id '1' stands before this line too"),
        ("x.csv", "utterance,split\na,train\nb,one\nc,two\nd,three\n", "x.csv:3: the split is 'one'; want train"),
        ("x.csv", "utterance,reply.k,rating.k\na,b,3\nb,b,4\nc,b,5\nd,b,0\n", "x.csv:3: the rating of k is '4'"),
        ("x.jsonl", '{"utterance": "a"}\n{"utterance": "b"}\n{"utte\n{"utterance": "c"}\n', "x.jsonl:3: not JSON"),
    ],
)
def test_what_stops_a_run_stops_inspect_with_one_line_a_kind(
    tmp_path: Path, capsys: Any, name: str, text: str, says: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    shown = _refused(capsys, str(tmp_path / name))
    (line,) = [line for line in shown.splitlines() if line.startswith("a run stops here: ")]
    assert says in line
    assert line.endswith("(3 such rows)") == (name == "x.csv")
    with pytest.raises(UserError) as stopped:
        sources.load_dialogues(Dialogues(source=str(tmp_path / name)), 1)
    assert str(stopped.value) in line, "a run says the same"


def test_what_is_not_read_is_named_and_origins_are_to_be_chosen_from(tmp_path: Path, capsys: Any) -> None:
    rows = [{"utterance": f"Text {n}", "reply.human": "A", "reply.kind": "B", "reply.plain": "C", "n": n} for n in "ab"]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shown = _shown(capsys, str(tmp_path / "x.jsonl"))
    assert re.search(r"^not read +n$", shown, re.M)
    recipe = yaml.safe_load(shown.partition("# in a recipe\n")[2])
    assert recipe["method"] == {"name": "direct", "teachers": ["kind"], "rejected": ["plain", "human"]}
    assert "# choose: " in shown


def test_utterances_alone_want_a_teacher(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "x.csv").write_text("utterance\nMy roof leaks.\n", encoding="utf-8")
    shown = _shown(capsys, str(tmp_path / "x.csv"))
    written = tmp_path / "mine.yaml"
    written.write_text(shown.partition("# in a recipe\n")[2], encoding="utf-8")
    recipe = load_recipe(str(written))
    assert recipe.teacher.endpoint and recipe.method.name == "llm-improved"
    assert "# no replies are here to learn from" in shown and "# a run wants two dialogues" in shown
    with pytest.raises(UserError, match=r"none has any: teacher\.endpoint"):
        list(recorded.replies([Dialogue("a", "My roof leaks.")], ["targeted"]))
    with pytest.raises(UserError, match=r"none has any: teacher\.endpoint"):
        list(direct.build(lambda: [Dialogue("a", "My roof leaks.")], Method(), 1))


def test_sources_of_ours_are_read_as_a_recipe_reads_them(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    shown = _shown(capsys, "everyday-dense")
    assert "256, 256 would be used" in shown and "ordinary 256" in shown and "train 192, test 64" in shown
    shown = _shown(capsys, "everyday")
    assert f"{sum(1 for _ in sources.stream_dialogues(Dialogues(source='everyday'), 1))} would be used" in shown
    head = ["dialog_id", "speaker_uttr"]
    for who in ("human", "chatgpt_empathy", "llama_empathy", "gemini_empathy", "mixtral_empathy"):
        head += [f"response_{who}", f"rating_{who}"]
    rows = [[f"d{n}", f"Text {n}", *["Oh.", "3"] * 5] for n in range(2)]
    (tmp_path / sources.WELIVITA).write_text("\n".join(map(",".join, [head, *rows])), encoding="utf-8")
    monkeypatch.setenv("EMPATHIC_DATA", str(tmp_path))
    shown = _shown(capsys, "welivita")
    assert "2, 2 would be used" in shown and "mixtral 2" in shown
    recipe = yaml.safe_load(shown.partition("# in a recipe\n")[2])
    assert recipe["dialogues"] == {"source": "welivita", "split": "source"}
