from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from empathic.dialogues import sources, table
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


HEAD = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n"


@pytest.mark.parametrize("comma", ["_comma_", ","])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("alone", [True, False])
def test_a_table_that_was_written_anew_has_its_quotes_taken_for_quotes(
    tmp_path: Path, comma: str, quoting: Any, alone: bool
) -> None:
    for side, rows in (("train", ED[:3]), ("test", ED[6:])):
        with (tmp_path / f"{side}.csv").open("w", encoding="utf-8", newline="") as file:
            written = csv.DictWriter(file, list(ED[0]), quoting=quoting)
            written.writeheader()
            written.writerows(
                {name: str(value).replace("_comma_", comma) for name, value in row.items()} for row in rows
            )
    if alone:
        (tmp_path / "test.csv").unlink()
        train = tmp_path / "train.csv"
        train.write_text(train.read_text() + train.read_text().partition("\n")[2].replace("c1", "c3"))
    source = tmp_path / "train.csv" if alone else tmp_path
    found = sources.load_dialogues(Dialogues(source=str(source), split="random" if alone else "source"), 1)
    assert [(d.id, d.situation, d.utterance, d.replies["human"].text) for d in found] == [
        (c, f"{c}, so", f'My dog, "{c} died.', f'"Oh no, {c}"') for c in ("c1", "c3")
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("c1,2,sad,p,2,Oh no.,5,\nc1,3,sad,p,1,Yes.,5,\n", None),
        ("c1,1,sad,p,1, ,5,\nc1,2,sad,p,2,Oh no.,5,\n", None),
        ("c1,1,sad,p,1,Lost.,5,\nc1,2,sad,p,2, ,5,\nc1,3,sad,p,1,Yes.,5,\n", ("Lost.", None)),
        ("c1,1,sad,p,1,Lost.,5,\nc1,1,sad,p,1,Lost.,5,\nc1,2,sad,p,2,Oh no.,5,\n", ("Lost.", "Oh no.")),
    ],
)
def test_nobody_says_what_the_other_said(tmp_path: Path, rows: str, said: tuple[str, str | None] | None) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"{HEAD}{rows}c2,1,sad,p,1,Gone.,5,\nc3,1,sad,p,1,Away.,5,\n", encoding="utf-8")
    facts: Counter[str] = Counter()
    found = {d.id: d for d in sources.stream_dialogues(Dialogues(source=str(path), split="random"), 1, facts)}
    assert facts[table.EMPTY] == (said is None)
    assert len(found) == 2 + (said is not None)
    if said:
        replies = found["c1"].replies
        assert (found["c1"].utterance, replies["human"].text if replies else None) == said


@pytest.mark.parametrize("utterances", [["Lost.", "Oh."], [{"speaker": "a", "text": "Lost."}], "Lost.", None])
def test_what_holds_no_pairs_is_no_dialogue_of_theirs(tmp_path: Path, utterances: Any) -> None:
    whole = {"conv_id": "c1", "emotion": "sad", "situation": "s", "utterances": [["1", "Lost."]]}
    path = tmp_path / "x.jsonl"
    for rows, says in (([{**whole, "utterances": utterances}], ":1: no column 'utterance'"), ([whole, {}], ":2: want")):
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        with pytest.raises(UserError, match=says):
            sources.load_dialogues(Dialogues(source=str(path), split="random"), 1)


def test_another_table_is_none_of_empathetic_dialogues(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "train.csv").write_text("utterance\na\nb\n", encoding="utf-8")
    monkeypatch.setenv("EMPATHIC_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"train\.csv:2: no column 'conv_id'"):
        sources.load_dialogues(Dialogues(source="empathetic-dialogues"), 1)
