from __future__ import annotations

import json
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
from score_table import table

from empathic.dialogues import sources
from empathic.judge.measures.behaviours import questions
from empathic.judge.trials import perturbations
from empathic.recipe import Dialogues
from empathic.text import content, is_stock, phrases


def test_the_written_controls_are_what_their_datasheet_says() -> None:
    known = {d.id: d for d in sources.load_dialogues(Dialogues(source="everyday-dense"), 0)}
    rows = perturbations.written()
    assert {known[row["id"]].split for row in rows} == {"train"}
    assert set(Counter(known[row["id"]].emotion for row in rows).values()) == {2}
    assert len({row["id"] for row in rows}) == len(rows) == 64
    grounded = 0
    for row in rows:
        assert set(row) == {"id", "good", *perturbations.WRITTEN}
        dialogue = known[row["id"]]
        grounded += bool(content(row["good"]) & content(f"{dialogue.situation} {dialogue.utterance}"))
        assert row["good"] not in {reply.text for reply in dialogue.replies.values()}
        assert not is_stock(row["good"])
        for fault in perturbations.WRITTEN:
            assert 45 <= len(row[fault].split()) <= 90 if fault == "padded" else 8 <= len(row[fault].split()) <= 30
    assert grounded >= 0.9 * len(rows)
    texts = [text for row in rows for name, text in row.items() if name != "id"]
    openings = Counter(" ".join(text.split()[:5]) for text in texts)
    assert max(openings.values()) <= 2
    assert len(set(texts)) == len(texts)


def test_every_fault_has_a_reply_to_every_dialogue_and_none_is_the_good_one() -> None:
    rows = perturbations.written()[:4]
    about = {d.id: d for d in sources.load_dialogues(Dialogues(source="everyday-dense"), 0)}
    found = perturbations.systems(rows, about, 0)
    assert set(found) == {"good", *perturbations.FAULTS}
    for fault in perturbations.FAULTS:
        assert found[fault].keys() == found["good"].keys()
        assert all(found[fault][id] != reply for id, reply in found["good"].items())
    loop = found["looping"][rows[0]["id"]]
    assert len(phrases(loop)) < len(loop.split()) / 3
    whose = {row["good"]: about[row["id"]] for row in perturbations.written()}
    for id, reply in found["same_feeling"].items():
        assert whose[reply].emotion == about[id].emotion
        assert whose[reply].id != id


@pytest.mark.network
@pytest.mark.long
def test_a_judge_is_tried_from_the_command_line(empathic, refused, tiny_gguf: Path, tmp_path: Path) -> None:
    settings = ("--judge", f"local:{tiny_gguf}", "--ledger", tmp_path / "l.sqlite", "--dialogues", 2)
    done = empathic("judge", "controls", *settings, "--pairwise", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("over_pairwise")["n"] == 2
    assert set(found) == set(perturbations.FAULTS)
    assert all(set(of) == {"behaviours", "specificity", "agreed", "pairwise"} for of in found.values())
    shown = empathic("judge", "controls", *settings, "--no-emotions").stdout
    assert "names a wrong feeling" in shown and "on average" in shown
    assert ("behaviours does all that is wanted" in shown) != ("behaviours misses what is wanted of a judge" in shown)
    assert "want 2 to" in refused("judge", "controls", "--dialogues", 1)


def test_a_question_alone_is_tried_by_its_own_answers() -> None:
    good, bad = {"heard": 1.0, "plain": -1.0}, {"heard": 0.0, "plain": 0.0}
    scores = table({"judge": {"good": {"1": good}, **{fault: {"1": bad} for fault in perturbations.FAULTS}}})
    found = perturbations.by_question(scores)
    assert {name: rate.estimate for name, rate in found["stock"].items()} == {"heard": 1.0, "plain": 0.0}


def test_questions_and_answers_of_the_candidates_fit() -> None:
    path = Path(str(resources.files("empathic.judge") / "prompts" / "candidates.yaml"))
    of = questions(str(path))
    assert set(questions().questions) <= set(of.questions)
    assert len(of.faults) == 5
    for number, name in enumerate(of.texts):  # a judge must be shown both answers to each
        assert {example.answers[number] for example in of.examples} == {True, False}, name
