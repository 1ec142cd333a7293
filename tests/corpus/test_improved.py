from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from collect import collect

from empathic.corpus import improved
from empathic.dialogues import Dialogue, Reply, sources
from empathic.errors import UserError
from empathic.recipe import Dialogues, Method


def _improved(dialogues: list[Dialogue]) -> list[Dialogue]:
    said = (("direct", "A direct reply"), ("improved", "A better reply"))
    return [d.with_replies({origin: Reply(f"{text} to {d.id}.") for origin, text in said}) for d in dialogues]


@pytest.mark.parametrize("name", ["direct", "human-improved", "llm-improved"])
def test_the_papers_950_and_800(welivita: Path, monkeypatch, name: str) -> None:
    monkeypatch.setenv("EMPATHIC_DATA", str(welivita))
    dialogues = _improved(sources.load_dialogues(Dialogues(source="welivita", split="paper"), 42))
    corpus = collect(improved.build, dialogues, Method(name=name), 42)
    assert (len(corpus.sft), len(corpus.preferences)) == (2 * 950, 800)
    assert [row["origin"] for row in corpus.sft[:4]] == ["human", "direct" if name == "direct" else "improved"] * 2
    assert not {row["id"] for row in corpus.sft} & {row["id"] for row in corpus.preferences}
    human = {d.id: d.replies["human"] for d in dialogues}
    assert {row["rejected"][0]["content"] == human[row["id"]].text for row in corpus.preferences} == {True}
    if name != "llm-improved":
        assert {human[row["id"]].rating for row in corpus.sft} == {3}
        assert {human[row["id"]].rating for row in corpus.preferences} == {1, 2}


def test_the_draw_is_that_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    want = pandas.DataFrame({"id": range(1750)}).sample(950, random_state=42)
    assert set(improved._drawn(1750, 42).nonzero()[0]) == set(want["id"])


def test_without_ratings_the_improved_reply_alone_is_a_target() -> None:
    dialogues = _improved(sources.load_dialogues(Dialogues(source="everyday-dense"), 42))
    corpus = collect(improved.build, dialogues, Method(name="llm-improved", rejected=["direct"]), 42)
    assert (len(corpus.sft), len(corpus.preferences)) == (104, 88)
    assert {row["origin"] for row in corpus.sft} == {"improved"}
    assert corpus.preferences[0]["rejected"][0]["content"].startswith("A direct reply")


def test_dialogues_that_were_put_aside_are_left_out_and_the_others_stay_where_they_were() -> None:
    whole = collect(
        improved.build,
        _improved(sources.load_dialogues(Dialogues(source="everyday-dense"), 42)),
        Method(name="llm-improved", rejected=["direct"]),
        42,
    )
    dialogues = _improved(sources.load_dialogues(Dialogues(source="everyday-dense"), 42))
    aside = {d.id for d in dialogues[::3]}
    dialogues = [
        replace(d, replies={origin: reply for origin, reply in d.replies.items() if origin != "improved"})
        if d.id in aside
        else d
        for d in dialogues
    ]
    part = collect(improved.build, dialogues, Method(name="llm-improved", rejected=["direct"]), 42)
    assert part.sft == [row for row in whole.sft if row["id"] not in aside]
    assert part.preferences == [row for row in whole.preferences if row["id"] not in aside]


def test_nothing_to_prefer_the_improved_reply_to_is_refused() -> None:
    with pytest.raises(UserError, match=r"method\.rejected"):
        collect(
            improved.build,
            _improved(sources.load_dialogues(Dialogues(source="everyday-dense"), 42)),
            Method(name="human-improved"),
            42,
        )
