from __future__ import annotations

import gzip
import json
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from empathic.dialogues import Dialogue, leakage, parquet_rows, sources, table
from empathic.errors import UserError
from empathic.recipe import Dialogues


def _read(path: Path, text: str | bytes, **settings) -> list[Dialogue]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return sources.load_dialogues(Dialogues(source=str(path), **settings), seed=1)


CSV = "id,utterance,split\na,My roof leaks.,train\nb,We won!,test\n"


def test_the_papers_split_of_the_2000_leaks_nothing(welivita: Path, monkeypatch) -> None:
    monkeypatch.setenv("EMPATHIC_DATA", str(welivita))
    found = sources.load_dialogues(Dialogues(source="welivita", split="paper"), 42)
    watch = leakage.LeakageFilter(found)
    kept = [d for d in found if watch.passes(d)]
    assert Counter(d.split for d in kept) == {"train": 1750, "test": 250}
    assert watch.dropped == 0
    assert {len(d.replies) for d in kept} == {5}


def test_empathetic_dialogues_as_json_lines(welivita: Path, monkeypatch) -> None:
    monkeypatch.setenv("EMPATHIC_DATA", str(welivita))
    found = sources.load_dialogues(Dialogues(source="empathetic-dialogues"), 42)
    assert len(found) == 24_856
    assert found[0].replies["human"].text == "Oh my gosh, what did you do?"


def test_empathetic_dialogues_as_its_original_tables(tmp_path: Path, monkeypatch) -> None:
    head = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n"
    (tmp_path / "train.csv").write_text(
        head + "c1,2,sad,My dog_comma_ gone,2,Oh no_comma_ when?,5,\nc1,1,sad,My dog_comma_ gone,1,He left us.,5,\n",
        encoding="utf-8",
    )
    (tmp_path / "test.csv").write_text(head + "c2,1,proud,A cup,1,We won.,5,\n", encoding="utf-8")
    monkeypatch.setenv("EMPATHIC_DATA", str(tmp_path))
    one, two = sources.load_dialogues(Dialogues(source="empathetic-dialogues"), 42)
    assert (one.utterance, one.situation, one.replies["human"].text) == ("He left us.", "My dog, gone", "Oh no, when?")
    assert (one.split, two.split) == ("train", "test")


def test_data_that_is_not_there_names_the_place_and_the_variable(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EMPATHIC_DATA", str(tmp_path))
    with pytest.raises(UserError, match="EMPATHIC_DATA"):
        sources.load_dialogues(Dialogues(source="welivita"), 42)


def test_everyday_brings_its_own_split() -> None:
    found = sources.load_dialogues(Dialogues(source="everyday-dense"), 42)
    assert Counter(d.split for d in found) == {"train": 192, "test": 64}
    assert set(found[0].replies) == {"ordinary", "direct", "targeted"}


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + CSV.encode(),
        'id,utterance,split\na,"She said ""no"",\nand left.",train\nb,x,test\n',
        "id,utterance,split\na,🙂🏆,train\nb,نسيت عيد ميلادها,test\n",
        "id,utterance,split,extra\r\na,one,train,1\r\nb,two,test,2\r\n",
    ],
)
def test_odd_but_good_tables_are_read(tmp_path: Path, text: str | bytes) -> None:
    assert [d.id for d in _read(tmp_path / "x.csv", text)] == ["a", "b"]


def test_json_lines_with_replies_ratings_and_gzip(tmp_path: Path) -> None:
    rows = [
        {"utterance": "one", "replies": {"human": {"text": "hm", "rating": 1}, "bot": "yes"}, "split": "train"},
        {"utterance": "two", "split": "test"},
    ]
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    one, two = sources.load_dialogues(Dialogues(source=str(tmp_path / "x.jsonl.gz")), 1)
    assert (one.replies["human"].rating, one.replies["bot"].rating) == (1, None)
    assert one.id != two.id and len(one.id) == 12


def test_columns_named_in_the_recipe(tmp_path: Path) -> None:
    columns = {"utterance": "text", "reply.human": "answer", "rating.human": "stars"}
    found = _read(tmp_path / "x.csv", "text,answer,stars\nhello,hi,3\nbye,so long,2\n", columns=columns, split="random")
    assert found[0].replies["human"].text == "hi"
    assert found[1].replies["human"].rating == 2


def test_a_column_of_the_recipe_is_read_though_another_goes_by_the_fields_name(tmp_path: Path) -> None:
    columns = {"id": "message", "utterance": "clean", "reply.kind": "better"}
    text = "id,message,utterance,clean,reply.kind,better\n1,m1,raw,one,x,hi\n1,m2,raw,two,y,ho\n"
    found = _read(tmp_path / "x.csv", text, columns=columns, split="random")
    assert [(d.id, d.utterance, d.replies["kind"].text) for d in found] == [("m1", "one", "hi"), ("m2", "two", "ho")]


def test_replies_that_the_first_row_lacks_are_read_from_those_that_have_them(tmp_path: Path) -> None:
    rows = [{"utterance": "one"}, {"utterance": "two", "response": "hi", "Emotion": "sad"}, {"utterance": "three"}]
    _, two, _ = _read(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows)), split="random")
    assert (two.replies["assistant"].text, two.emotion) == ("hi", "sad")


def test_what_pandas_writes_for_none_is_none(tmp_path: Path) -> None:
    rows = [{"utterance": f"u{n}", "emotion": float("nan"), "reply.kind": "hi", "rating.kind": n} for n in (1.0, 3.0)]
    rows += [{**rows[0], "utterance": "u4", "rating.kind": float("nan")}]
    rows += [{**rows[0], "utterance": "u5", "reply.kind": float("nan")}]
    found = _read(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows)), split="random")
    assert [{o: r.rating for o, r in d.replies.items()} for d in found] == [
        {"kind": 1},
        {"kind": 3},
        {"kind": None},
        {},
    ]
    assert {d.emotion for d in found} == {""}


def test_a_source_with_one_side_alone_is_told_how_to_get_the_other(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"left to test on .*let split: random draw"):
        _read(tmp_path / "x.csv", "utterance,split\na,train\nb,validation\n")


def test_a_hugging_face_folder_is_a_source(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for side in ("train", "test"):
        (folder / f"{side}.jsonl").write_text(json.dumps({"utterance": f"I {side}."}) + "\n", encoding="utf-8")
    found = sources.load_dialogues(Dialogues(source=str(folder)), 1)
    assert {(d.utterance, d.split) for d in found} == {("I train.", "train"), ("I test.", "test")}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.csv", "", "empty"),
        ("x.csv", "id,utterance\n", "no rows"),
        ("x.csv", "id,uterance\na,b\n", "did you mean 'uterance'"),
        ("x.csv", "id,words\na,b\n", "no column 'utterance'"),
        ("x.csv", "id,utterance\na,caf\xe9\n".encode("latin-1"), r"x\.csv:2: not UTF-8"),
        ("x.csv", "id,utterance\na,\n", r"x\.csv:2: no row can be used: 1 empty"),
        ("x.csv", "utterance,text\n,My roof leaks.\n", r"may be in 'text'; .*columns: \{utterance: text\}"),
        ("x.csv", 'My "note",words\na,My roof leaks.\n', r"x\.csv:1: no .*columns: \{utterance: words\}"),
        ("x.csv", "id,utterance\na,b\na,c\n", r"x\.csv:3: the id 'a'"),
        ("x.csv", "id,utterance\na,b,c\n", "not as many fields"),
        ("x.csv", 'id,utterance\na,"b\n', "not CSV"),
        ("x.csv", "id,utterance\na,b\0\n", "NUL"),
        ("x.csv", f"id,utterance\na,{'long ' * 20_000}\n", "1 too long dropped; want a text of 1 to 8000"),
        ("x.csv", "utterance,reply.bot,rating.bot\na,b,7\n", "rating of bot is '7'"),
        ("x.csv", "utterance,split\na,holdout\n", "split is 'holdout'"),
        ("x.csv", "utterance\nonly one\n", "no dialogue is left"),
        ("x.jsonl", "{bad\n", r"x\.jsonl:1: not JSON"),
        ("x.jsonl", "[1]\n", "want a JSON object"),
        ("x.jsonl", '{"utterance": ["a"]}\n', "utterance is list"),
        ("x.jsonl", '{"utterance": "a", "replies": "b"}\n', "replies is str"),
        ("x.tsv", "utterance\tsplit\n", "no rows"),
    ],
)
def test_bad_files_are_refused_with_the_place_and_the_mend(
    tmp_path: Path, name: str, text: str | bytes, says: str
) -> None:
    with pytest.raises(UserError, match=says) as caught:
        _read(tmp_path / name, text)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        sources.load_dialogues(Dialogues(source=str(tmp_path / "gone.csv")), 1)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="a folder"):
        sources.load_dialogues(Dialogues(source=str(tmp_path / "folder.csv")), 1)


@pytest.mark.parametrize("name", ["gone.txt", "./gone", "a/b/c", "data/gone.xlsx", "/gone", "Gone.Csv"])
def test_what_looks_like_a_path_is_asked_of_nobody(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "_hub_set", lambda name: pytest.fail("the hub was asked"))
    with pytest.raises(UserError, match="no such file"):
        sources.load_dialogues(Dialogues(source=name), 1)


def test_a_hub_that_is_not_there_is_asked_once_and_what_it_lacks_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    asked = []

    def info(self: HfApi, name: str, timeout: float) -> None:
        asked.append(name)
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError) if name == "some/set" else ConnectionError

    monkeypatch.setattr(HfApi, "dataset_info", info)
    for name, says in (("some/set", "that you may read"), ("some-set", "wasn't reached"), ("some/set-v1.5", "reached")):
        with pytest.raises(UserError, match=says):
            sources.load_dialogues(Dialogues(source=name), 1)
    assert asked == ["some/set", "some-set", "some/set-v1.5"]


@pytest.mark.parametrize("end", ["", ",,,\n,,,\n", ",\n,,,,,\n"])
def test_rows_that_cannot_be_used_are_dropped_and_counted(tmp_path: Path, end: str) -> None:
    text = "utterance,reply.kind,,\nMy roof leaks.,Oh.,,\n ,None said.,,\n" + f"{'long ' * 1601},Oh.,,\n"
    text += f"We won!,{'Oh. ' * 2001},,\n{end}"
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    facts: Counter[str] = Counter()
    found = list(sources.stream_dialogues(Dialogues(source=str(tmp_path / "x.csv")), 1, facts))
    assert {d.utterance: set(d.replies) for d in found} == {"My roof leaks.": {"kind"}, "We won!": set()}
    counted = {table.EMPTY: 1, table.LONG: 1, table.LONG_REPLIES: 1, **({table.BLANK: 2} if end else {})}
    assert +facts == counted
    assert set(counted) <= set(table.COUNTED)


def test_a_random_split_is_seeded_and_stratified(tmp_path: Path) -> None:
    rows = [json.dumps({"id": str(i), "utterance": f"u{i}", "emotion": "sad" if i % 4 else "proud"}) for i in range(80)]
    text = "\n".join(rows)
    found = _read(tmp_path / "x.jsonl", text, split="random", test_share=0.25)
    assert Counter((d.emotion, d.split) for d in found if d.split == "test") == {
        ("sad", "test"): 15,
        ("proud", "test"): 5,
    }
    again = _read(tmp_path / "x.jsonl", text, split="random", test_share=0.25)
    assert found == again
    assert sources.load_dialogues(Dialogues(source=str(tmp_path / "x.jsonl"), split="random"), 2) != found


def test_a_split_by_a_list_of_ids(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("b\n", encoding="utf-8")
    found = _read(tmp_path / "x.csv", "id,utterance\na,one\nb,two\n", split=str(tmp_path / "ids.txt"))
    assert {d.id: d.split for d in found} == {"a": "train", "b": "test"}
    (tmp_path / "ids.txt").write_text("z\n", encoding="utf-8")
    with pytest.raises(UserError, match="'z'"):
        _read(tmp_path / "x.csv", CSV, split=str(tmp_path / "ids.txt"))
    with pytest.raises(UserError, match="needs rated replies"):
        _read(tmp_path / "x.csv", CSV, split="paper")


def test_the_guard_drops_what_is_tested_on_however_it_is_written() -> None:
    dialogues = [
        Dialogue("a", "My roof, it leaks!", "Rain", split="test"),
        Dialogue("b", "my ROOF it  leaks", "rain.", split="train"),
        Dialogue("c", "my roof it leaks", "another day", split="train"),
    ]
    watch = leakage.LeakageFilter(dialogues)
    assert [d.id for d in dialogues if watch.passes(d)] == ["a", "c"]
    assert watch.dropped == 1


@pytest.mark.parametrize("split", ["random", "source"])
@pytest.mark.slow
def test_many_dialogues_need_no_more_memory_than_few(tmp_path: Path, split: str) -> None:
    peaks = []
    for count in (500, 5000):
        rows = ({"id": f"d{i}", "utterance": f"My boat {i} sank. " * 20, "emotion": f"e{i % 8}"} for i in range(count))
        source = tmp_path / f"{count}.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tracemalloc.start()
        assert sum(1 for _ in sources.stream_dialogues(Dialogues(source=str(source), split=split), 1)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 5000 * 200, "a hash of each id, where each dialogue takes 1,500 bytes"
