from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from empathic.dialogues import sources
from empathic.errors import UserError
from empathic.recipe import Dialogues


def test_the_original_release_has_open_quotes_and_a_ninth_field(tmp_path: Path, monkeypatch: Any) -> None:
    head = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n"
    rows = 'c1,1,sad,My "dog_comma_ gone,1,"He left us.,5,\nc1,2,sad,My "dog_comma_ gone,2,Oh no_comma_ when?,5,\n'
    (tmp_path / "train.csv").write_text(head + rows, encoding="utf-8")
    (tmp_path / "test.csv").write_text(head + "c2,1,proud,A cup,1,We won.,5,,Yes.|No_comma_ no.\n", encoding="utf-8")
    monkeypatch.setenv("EMPATHIC_DATA", str(tmp_path))
    one, two = sources.load_dialogues(Dialogues(source="empathetic-dialogues"), 1)
    assert (one.utterance, one.situation, one.replies["human"].text) == (
        '"He left us.',
        'My "dog, gone',
        "Oh no, when?",
    )
    assert two.utterance == "We won."
    rows = rows.replace("c1", "c3").replace("He left", "She left").replace('"', "")
    (tmp_path / "mine.csv").write_text(head + rows + rows.replace("c3", "c4"), encoding="utf-8")
    assert len(sources.load_dialogues(Dialogues(source=str(tmp_path / "mine.csv")), 1)) == 2


ED = [
    {"conv_id": c, "utterance_idx": n, "context": "sad", "prompt": f"{c}_comma_ so", "utterance": said.format(c)}
    for c in ("c1", "c2", "c3")
    for n, said in ((2, '"Oh no_comma_ {}"'), (1, 'My dog_comma_ "{} died.'), (3, "Yes."))
]


def _originals(folder: Path, quote: str) -> Path:
    folder.mkdir()
    for side, rows in (("train", ED[:3]), ("valid", ED[3:6]), ("test", ED[6:])):
        lines = [",".join(ED[0]), *(",".join(map(str, row.values())).replace('"', quote) for row in rows)]
        (folder / f"{side}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _saved(folder: Path) -> Path:
    import datasets

    parts = {"train": ED[:3], "validation": ED[3:6], "test": ED[6:]}
    made = {side: datasets.Dataset.from_list(rows) for side, rows in parts.items()}
    datasets.DatasetDict(made).save_to_disk(str(folder))
    return folder


@pytest.mark.parametrize("layout", ["saved", "folder", "file", "whole"])
def test_empathetic_dialogues_is_told_by_its_columns_in_every_layout(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "x"
    if layout == "saved":
        _saved(path)
    elif layout == "folder":
        _originals(path, '"')
    elif layout == "file":  # one of a folder, by its path; its first row opens a quote
        path = _originals(path, '"') / "train.csv"
        path.write_text(path.read_text() + path.with_name("test.csv").read_text().partition("\n")[2])
    else:
        whole = [
            {"conv_id": c, "emotion": "sad", "situation": f"{c}, so", "split": side}
            | {"utterances": [["1", f'My dog, "{c} died.'], ["2", f'"Oh no, {c}"']]}
            for c, side in (("c1", "train"), ("c2", "valid"), ("c3", "test"))
        ]
        path = tmp_path / "x.jsonl"
        path.write_text("\n".join(map(json.dumps, whole)), encoding="utf-8")
    split = "random" if layout == "file" else "source"
    found = sources.load_dialogues(Dialogues(source=str(path), split=split), 1)
    assert {(d.id, d.situation, d.utterance, d.replies["human"].text) for d in found} == {
        (c, f"{c}, so", f'My dog, "{c} died.', f'"Oh no, {c}"')
        for c in ("c1", "c2", "c3")
        if layout != "file" or c != "c2"
    }
    if layout != "file":
        assert {d.id: d.split for d in found} == {"c1": "train", "c2": "train", "c3": "test"}


def test_another_table_is_none_of_empathetic_dialogues(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "train.csv").write_text("utterance\na\nb\n", encoding="utf-8")
    monkeypatch.setenv("EMPATHIC_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"train\.csv:2: no column 'conv_id'"):
        sources.load_dialogues(Dialogues(source="empathetic-dialogues"), 1)
