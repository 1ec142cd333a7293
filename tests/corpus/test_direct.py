from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from collect import collect

from empathic.corpus import direct
from empathic.dialogues import Dialogue, Reply, sources
from empathic.errors import UserError
from empathic.recipe import Dialogues, Method

FIGURES = {"chatgpt": (639, 593), "llama": (617, 563), "gemini": (551, 500), "mixtral": (587, 575)}


def test_the_papers_figures_on_the_2000(welivita: Path, monkeypatch) -> None:
    monkeypatch.setenv("EMPATHIC_DATA", str(welivita))
    dialogues = sources.load_dialogues(Dialogues(source="welivita"), 42)
    for teacher, (sft, pairs) in FIGURES.items():
        corpus = collect(direct.build, dialogues, Method(teachers=[teacher]), 42)
        assert (len(corpus.sft), len(corpus.preferences)) == (2 * sft, pairs)
        assert len({row["id"] for row in corpus.sft}) == sft
    everything = collect(direct.build, dialogues, Method(teachers=list(FIGURES)), 42)
    assert (len(everything.sft) // 2, len(everything.preferences)) == (2394, 2231)
    tests = {d.id for d in dialogues if d.split == "test"}
    assert not tests & {row["id"] for row in (*everything.sft, *everything.preferences)}


def test_everyday_prefers_targeted_to_ordinary_and_direct_in_equal_parts() -> None:
    dialogues = sources.load_dialogues(Dialogues(source="everyday-dense"), 42)
    method = Method(teachers=["targeted"], rejected=["ordinary", "direct"])
    corpus = collect(direct.build, dialogues, method, 42)
    assert corpus.counts["by_teacher"] == {"targeted": {"sft_dialogues": 192, "sft": 192, "preferences": 192}}
    by_id = {d.id: d for d in dialogues}
    rejected = Counter(
        next(o for o, reply in by_id[row["id"]].replies.items() if reply.text == row["rejected"][0]["content"])
        for row in corpus.preferences
    )
    assert rejected == {"ordinary": 96, "direct": 96}
    assert collect(direct.build, dialogues, method, 42) == corpus


def test_situations_double_the_examples_and_leave_the_pairs_alone() -> None:
    dialogues = sources.load_dialogues(Dialogues(source="everyday-dense"), 42)
    plain = collect(direct.build, dialogues, Method(rejected=["ordinary"]), 42)
    both = collect(direct.build, dialogues, Method(rejected=["ordinary"], situations=True), 42)
    assert both.preferences == plain.preferences
    assert both.sft[:192] == plain.sft
    situation = {d.id: d.situation for d in dialogues if d.split == "train"}
    for spoken, told in zip(plain.sft, both.sft[192:], strict=True):
        assert told == {**spoken, "prompt": [{"role": "user", "content": situation[spoken["id"]]}]}


def test_the_intended_rule_and_not_the_slip_of_precedence() -> None:
    def rated(id: str, human: int, llm: int) -> Dialogue:
        return Dialogue(id, id, replies={"human": Reply("h", human), "bot": Reply("b", llm)}, split="train")

    dialogues = [rated("both", 3, 3), rated("two", 2, 3), rated("one", 1, 3), rated("slip", 2, 2), rated("none", 3, 1)]
    corpus = collect(direct.build, dialogues, Method(teachers=["bot"]), 1)
    assert [(row["id"], row["origin"]) for row in corpus.sft] == [("both", "human"), ("both", "bot")]
    assert [row["id"] for row in corpus.preferences] == ["two", "one"]
    assert set(corpus.sft[0]) == {"id", "origin", "prompt", "completion"}
    assert set(corpus.preferences[0]) == {"id", "origin", "prompt", "chosen", "rejected"}


def test_trl_takes_the_files_as_they_are(tmp_path: Path) -> None:
    import datasets

    from empathic import files

    corpus = collect(
        direct.build, sources.load_dialogues(Dialogues(source="everyday-dense"), 42), Method(rejected=["ordinary"]), 42
    )
    files.write_jsonl(tmp_path / "sft.jsonl", corpus.sft)
    read = datasets.load_dataset("json", data_files=str(tmp_path / "sft.jsonl"), split="train", cache_dir=str(tmp_path))
    assert read[0]["prompt"][0]["role"] == "user"


def test_unknown_origins_and_an_empty_corpus_are_refused() -> None:
    dialogues = sources.load_dialogues(Dialogues(source="everyday-dense"), 42)
    with pytest.raises(UserError, match="known: direct, ordinary, targeted"):
        collect(direct.build, dialogues, Method(teachers=["gpt"]), 1)
    with pytest.raises(UserError, match=r"method\.rejected"):
        collect(direct.build, dialogues, Method(rejected=["human"]), 1)
    poor = [Dialogue("a", "a", replies={"human": Reply("h", 1), "bot": Reply("b", 1)}, split="train")]
    with pytest.raises(UserError, match="no SFT example"):
        collect(direct.build, poor, Method(teachers=["bot"]), 1)


def test_ratings_count_where_no_origin_is_called_human() -> None:
    rated = [
        Dialogue(str(n), f"u{n}", replies={"kind": Reply(f"k{n}", 3), "plain": Reply(f"p{n}", 1)}, split="train")
        for n in range(4)
    ]
    made = list(direct.build(lambda: iter(rated), Method(teachers=["kind"], rejected=["plain"]), 1))
    assert len(made) == 8
