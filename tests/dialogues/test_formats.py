from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from empathic.dialogues import Dialogue, formats, sources, table
from empathic.dialogues.leakage import LeakageFilter, normal
from empathic.errors import UserError
from empathic.recipe import Dialogues

Facts = Counter[str]
TEXTS = ["My roof leaks; badly.", "We won, at last!", "Nobody calls.", "I failed."]


def _read(path: Path, content: str | bytes, facts: Facts | None = None, **given: Any) -> list[Dialogue]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    asked = Dialogues(source=str(path), split="random", **given)
    return list(sources.stream_dialogues(asked, 1, facts))


def _table(delimiter: str, quote: str = '"') -> str:
    lines = [["id", "utterance", "reply.kind"]]
    lines += [[str(n), f"{quote}{text}{quote}", f"kind {n}"] for n, text in enumerate(TEXTS)]
    return "".join(delimiter.join(line) + "\r\n" for line in lines)


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.txt", "x"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_the_content(tmp_path: Path, name: str, delimiter: str) -> None:
    found = _read(tmp_path / name, _table(delimiter))
    assert [d.utterance for d in found] == TEXTS
    assert found[2].replies["kind"].text == "kind 2"


def test_excels_line_that_names_the_delimiter_is_none_of_the_table(tmp_path: Path) -> None:
    assert [d.utterance for d in _read(tmp_path / "x.csv", "\ufeffsep=;\r\n" + _table(";"))] == TEXTS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.json"])
def test_encodings_with_a_mark_and_utf_16_without_one_are_read(tmp_path: Path, name: str, encoding: str) -> None:
    rows = [{"utterance": text} for text in TEXTS]
    written = {
        "x.csv": _table(";"),
        "x.jsonl": "\n".join(map(json.dumps, rows)),
        "x.json": json.dumps(rows, indent=1),
    }
    assert [d.utterance for d in _read(tmp_path / name, written[name].encode(encoding))] == TEXTS


def test_quotes_of_a_tsv_are_characters_where_they_can_be_no_quotes(tmp_path: Path) -> None:
    rows = ['"Why me?" I asked', '"open', "plain", 'an "inner" one']
    found = _read(tmp_path / "x.tsv", "id\tutterance\n" + "".join(f"{n}\t{row}\n" for n, row in enumerate(rows)))
    assert [d.utterance for d in found] == rows


def test_quotes_after_a_backslash_are_read(tmp_path: Path) -> None:
    found = _read(tmp_path / "x.csv", 'id,utterance\n1,"She said \\"no\\", and left."\n2,"b"\n')
    assert found[0].utterance == 'She said "no", and left.'


def test_a_broken_row_is_named_by_the_line_it_begins_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.csv:4: not CSV"):
        _read(tmp_path / "x.csv", 'id,utterance\n1,"two\nlines"\n2,"a" b\n')


@pytest.mark.parametrize("pad", [0, 1 << 17])
def test_an_array_of_objects_is_read_piece_by_piece(tmp_path: Path, pad: int) -> None:
    rows = [{"utterance": text, "note": "x" * pad, "n": [n, {"a": "]"}]} for n, text in enumerate(TEXTS)]
    assert [d.utterance for d in _read(tmp_path / "x.json", json.dumps(rows, indent=2))] == TEXTS
    assert [d.utterance for d in _read(tmp_path / "y.json", json.dumps(rows))] == TEXTS
    with pytest.raises(UserError, match=r"z\.json:3: not JSON"):
        _read(tmp_path / "z.json", '[\n{"utterance": "a"},\n{"utterance": \n')


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_of_splits_gives_each_row_its_split(tmp_path: Path, indent: int | None) -> None:
    held = {
        "training": [{"utterance": "a"}, {"utterance": "b"}],
        "dev": [{"utterance": "c"}],
        "eval": [{"utterance": "d"}],
    }
    (tmp_path / "x.json").write_text(json.dumps(held, indent=indent), encoding="utf-8")
    found = sources.load_dialogues(Dialogues(source=str(tmp_path / "x.json")), 1)
    assert {d.utterance: d.split for d in found} == {"a": "train", "b": "train", "c": "validation", "d": "test"}
    assert len(_read(tmp_path / "y.json", json.dumps({"data": held["training"]}))) == 2


def test_parquet_and_its_labels_are_read_by_name(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"utterance": datasets.Value("string"), "emotion": datasets.ClassLabel(names=["sad", "joy"])}
    )
    rows = {"utterance": TEXTS, "emotion": [0, 1, 0, -1]}
    folder = tmp_path / "set"
    folder.mkdir()
    made = datasets.Dataset.from_dict(rows, features=features)
    made.to_parquet(str(folder / "train.parquet"))
    made.save_to_disk(str(tmp_path / "saved"))
    for source in (folder / "train.parquet", folder, tmp_path / "saved"):
        found = sources.load_dialogues(Dialogues(source=str(source), split="random"), 1)
        assert [(d.utterance, d.emotion) for d in found] == list(zip(TEXTS, ["sad", "joy", "sad", ""], strict=True))


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


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("train", "train"), ("Training", "train"), ("train_sft", "train"), ("val", "validation"),
        ("valid", "validation"),
        ("validation_matched", "validation"), ("DEV", "validation"), ("test", "test"), ("eval", "test"),
        ("test_prefs", "test"), ("", ""), ("holdout", None),
    ],
)  # fmt: skip
def test_splits_go_by_many_names(name: str, side: str | None) -> None:
    assert table.side_of(name) == side


def test_halves_of_characters_and_control_characters_are_mended_and_counted(tmp_path: Path) -> None:
    facts: Facts = Counter()
    line = '{"utterance": "I passed! \\ud83d", "replies": {"k\\u0000ind": "Yes\\u0007!"}}\n'
    line += '{"utterance": "I \\ud83d\\ude00"}'
    one, two = _read(tmp_path / "x.jsonl", line, facts)
    assert (one.utterance, one.replies["kind"].text, two.utterance) == ("I passed!", "Yes!", "I 😀")
    assert facts[table.MENDED] == 1
    with pytest.raises(UserError, match=r"y\.jsonl:2: holds a NUL"):
        _read(tmp_path / "y.jsonl", b'{"utterance": "a"}\n{"utterance": "\0"}\n')


def test_a_row_that_stands_twice_is_dropped_and_counted(tmp_path: Path) -> None:
    facts: Facts = Counter()
    found = _read(tmp_path / "x.csv", "utterance\nI feel alone.\nI feel alone.\nMy cat ran off.\n", facts)
    assert [d.utterance for d in found] == ["I feel alone.", "My cat ran off."]
    assert facts[table.DROPPED] == 1
    assert len(_read(tmp_path / "y.csv", "id,utterance\na,Alone.\na,alone\nb,Alone.\n", facts)) == 2
    assert facts[table.DROPPED] == 1


def test_messages_without_words_differ_by_their_signs_and_words_by_their_marks() -> None:
    signs = ["😭", "😂", "❤️", "👍", "!!!", "?"]
    assert len({normal(text) for text in signs}) == len(signs)
    assert normal("❤️") == normal("❤ ")
    assert normal("की") != normal("का")
    assert normal("My roof, it leaks! 😭") == normal("my ROOF it leaks")
    dialogues = [Dialogue(str(n), text, split="train" if n else "test") for n, text in enumerate(signs)]
    watch = LeakageFilter(dialogues)
    assert all(watch.passes(d) for d in dialogues)


@pytest.mark.parametrize(("head", "what"), [(b"PK\x03\x04", "Excel"), (b"%PDF-1.7", "PDF")])
def test_what_is_no_table_is_named(tmp_path: Path, head: bytes, what: str) -> None:
    with pytest.raises(UserError, match=what):
        _read(tmp_path / "x.csv", head + bytes(200))


_BEGINNINGS = [
    b"",
    b"[",
    b'[{"utterance":',
    b'{"utterance": "a"}\n',
    b"id,utterance\n",
    b"utterance\n",
    b"PAR1",
    b"\x1f\x8b",
]
_BEGINNINGS += [
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"id;utterance\n",
    b"messages\n[{",
    b"sep=;\n",
    gzip.compress(b"utterance\na\n"),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    begin=st.sampled_from(_BEGINNINGS),
    rest=st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))),
    name=st.sampled_from(["x.csv", "x.tsv", "x.json", "x.jsonl.gz", "x.parquet", "x"]),
)
@example(begin=b"", rest=b"\x0b", name="x.csv")
@example(begin=b"", rest=b"\x1c\n", name="x.json")
@example(begin=b"[", rest=b"]", name="x.csv")
def test_any_bytes_end_in_dialogues_or_one_line(tmp_path: Path, begin: bytes, rest: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(begin + rest)
    formats._format_of.cache_clear()  # a file of the same size may be written within the clock's tick
    try:
        found = list(table.dialogues(formats.rows(path), {}))
    except UserError as error:
        assert str(error).startswith(str(path))
    else:
        assert found and all(d.utterance for d in found)
        json.dumps([d.to_row() for d in found], ensure_ascii=False).encode()
