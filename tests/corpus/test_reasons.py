"""A corpus that comes to nothing says why, by counts: the cause there is, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.corpus import direct, improved
from empathic.corpus.reasons import Reasons
from empathic.corpus.rows import NothingToLearn, Tally
from empathic.dialogues import Dialogue, Reply
from empathic.recipe import Method
from empathic.recipe.steps import EXAMPLES, PREFERENCES


def dialogues(count: int, **replies: Reply | None) -> list[Dialogue]:
    said = {origin: reply for origin, reply in replies.items() if reply}
    return [Dialogue(f"d{n}", f"My boat {n} sank.", replies=said, split="train") for n in range(count)]


def reasons_of(build: Callable[..., Any], train: list[Dialogue], method: Method) -> Reasons:
    found = Reasons()
    for _ in found.watch(build(lambda: train, method, 42, reasons=found)):
        pass
    return found


def test_replies_that_are_missing_are_counted_by_origin() -> None:
    train = [*dialogues(3, kind=Reply("All gone.")), *dialogues(2, human=Reply("It was old."))]
    method = Method(name="direct", teachers=["kind"], rejected=["human"])
    found = reasons_of(direct.build, train, method)
    assert found.told(EXAMPLES) == "2 lack a reply of 'kind', 3 rows were made, and left out by corpus.safety_filter"
    assert found.told(PREFERENCES) == "3 lack a reply of 'human', 2 lack a reply of 'kind'"


def test_ratings_are_spoken_of_where_they_rule_and_nowhere_else() -> None:
    train = [
        *dialogues(4, kind=Reply("All gone.", 3), human=Reply("It was old.", 3)),
        *dialogues(2, kind=Reply("All gone.", 2), human=Reply("It was old.", 1)),
        *dialogues(1, kind=Reply("All gone."), human=Reply("It was old.", 1)),
    ]
    found = reasons_of(direct.build, train, Method(name="direct", teachers=["kind"], rejected=["human"]))
    assert found.told(PREFERENCES) == (
        "4 have a reply of 'human' rated 3 (wanted: 1 or 2), 2 have a reply of 'kind' rated 2 (wanted: 3), "
        "1 have a reply of 'kind' without a rating (wanted: 3)"
    )
    unrated = dialogues(3, kind=Reply("All gone."), human=Reply("All gone."))
    found = reasons_of(direct.build, unrated, Method(name="direct", teachers=["kind"], rejected=["human"]))
    assert found.told(PREFERENCES) == "3 have one and the same text of 'kind' and of 'human'"
    assert found.told(EXAMPLES).startswith("3 rows were made")


def test_a_live_teachers_dialogues_are_counted_by_its_rule() -> None:
    same = dialogues(10, direct=Reply("All gone."), improved=Reply("All gone."))
    method = Method(name="llm-improved", rejected=["direct"])
    found = reasons_of(improved.build, same, method)
    assert found.told(PREFERENCES) == (
        "5 are drawn by lot for SFT, 5 have one and the same text of 'improved' and of 'direct'"
    )
    aside = dialogues(10, direct=Reply("All gone."))
    assert reasons_of(improved.build, aside, method).told(EXAMPLES) == "10 lack a reply of 'improved'"
    rated = dialogues(4, human=Reply("It was old.", 1), improved=Reply("All gone."))
    found = reasons_of(improved.build, rated, Method(name="human-improved"))
    assert found.told(EXAMPLES) == "4 have a reply of 'human' rated 1 (wanted: 3)"


def test_an_empty_tally_names_the_part() -> None:
    with pytest.raises(NothingToLearn, match="no preference pair") as raised:
        Tally().counts({PREFERENCES})
    assert raised.value.part == PREFERENCES


def test_a_run_says_the_cause_in_one_line(tmp_path: Path, refused: Callable[..., str]) -> None:
    rows = [
        {"utterance": f"My boat {n} sank.", "replies": {"kind": f"Boat {n}.", "human": f"Boat {n}."}, "split": split}
        for n, split in enumerate(["test", *["train"] * 4])
    ]
    files.write_jsonl(tmp_path / "d.jsonl", rows)
    method = {"name": "direct", "teachers": ["kind"], "rejected": ["human"]}
    files.write_json(tmp_path / "r.yaml", {"dialogues": {"source": "d.jsonl"}, "method": method})
    line = refused("run", tmp_path / "r.yaml", "--out", tmp_path / "run", "--until", "corpus")
    assert "no preference pair: of the dialogues, 4 have one and the same text of 'kind' and of 'human'" in line
    assert "rated" not in line
