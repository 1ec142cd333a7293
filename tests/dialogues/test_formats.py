from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
import zipfile
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


@pytest.mark.parametrize("names", ["", '"'])
def test_a_line_that_names_no_delimiter_parts_nothing(tmp_path: Path, names: str) -> None:
    """Python 3.13 refuses such a delimiter by a ValueError."""
    with pytest.raises(UserError, match="no column 'utterance'; it has 'sep="):
        _read(tmp_path / "x.csv", f"sep={names}\r\n" + _table(","))


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


def test_parquet_is_read_by_pieces_and_only_the_columns_that_dialogues_are_made_of(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    count = 4000
    held = {
        "text": [f"My boat {i} sank. " * 200 for i in range(count)],
        "answer": ["Oh no."] * count,
        "reply.other": [f"Boat {i}, gone." for i in range(count)],
        "embedding": [[0.5] * 50] * count,
    }
    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table(held), path, compression="none", use_dictionary=False)  # one row group
    columns = {"utterance": "text", "reply.human": "answer"}
    wanted = table.needed(list(held), columns)
    assert wanted == ["text", "answer", "reply.other"]
    assert [set(row) for _, row in formats.rows(path, lambda names: wanted)][:2] == [set(wanted)] * 2
    read = list(table.dialogues(formats.rows(path, lambda names: wanted), columns))
    assert read == list(table.dialogues(formats.rows(path), columns)) and len(read) == count
    assert set(read[7].replies) == {"human", "other"}
    del read
    before = pyarrow.total_allocated_bytes()
    peak = max(pyarrow.total_allocated_bytes() - before for _ in formats.rows(path, lambda names: wanted))
    assert peak < 0.75 * path.stat().st_size, "a row group is the whole file, which was 1.1 times its size"
    with pytest.raises(UserError, match=r"it has 'answer', 'reply\.other', 'embedding'"):
        list(table.dialogues(formats.rows(path, lambda names: table.needed(names[1:], {})), {}))


def test_needed_columns_are_those_of_every_shape() -> None:
    for names, wanted in (
        (["instruction", "input", "output", "text"], ["instruction", "input", "output"]),
        (["messages", "id", "source"], ["messages", "id"]),
        (["prompt", "chosen", "rejected", "score"], ["prompt", "chosen", "rejected"]),
        (["utterance", "replies", "rating.kind", "note"], ["utterance", "replies", "rating.kind"]),
        (["words", "note"], ["words", "note"]),
    ):
        assert table.needed(names, {}) == wanted


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


def _packed(kind: str) -> bytes:
    """What a person may have at hand in a table's place."""
    held = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=held, mode="w:gz") as tar:
            tar.addfile(tarfile.TarInfo("mine.csv"))
    elif kind != "bz2":
        with zipfile.ZipFile(held, "w") as archive:
            for name in {"zip": ["mine.csv"], "xlsx": ["[Content_Types].xml", "xl/workbook.xml"]}[kind]:
                archive.writestr(name, "utterance\nMy roof leaks.\n")
    return bz2.compress(b"utterance") if kind == "bz2" else held.getvalue()


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (_packed("zip"), r"is a zip; unpack it .*mine\.csv"),
        (_packed("xlsx"), "workbook; save it as CSV UTF-8"),
        (_packed("tar"), "is a tar archive; unpack it"),
        (_packed("bz2"), "packed with bzip2; unpack it"),
        (b"PK\x03\x04", "is a zip"),
        (b"%PDF-1.7", "is a PDF"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, head: bytes, what: str) -> None:
    with pytest.raises(UserError, match=what):
        _read(tmp_path / "x.csv", head + bytes(200 if head[:1] == b"%" else 0))


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
