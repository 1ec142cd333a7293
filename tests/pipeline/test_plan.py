"""What a plan says is what a run then does."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from empathic import files
from empathic.dialogues import sources
from empathic.endpoints.ledger import Ledger
from empathic.judge.measures import behaviours
from empathic.pipeline.plan import plan
from empathic.recipe import load_recipe


def _numbers(line: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*\b(?!\.\d)", line)]


def _asked(ledger: Path) -> Counter[str]:
    """Answers in a ledger, by the first part of their purpose."""
    kept = Ledger(ledger)
    found: Counter[str] = Counter()
    for row in kept.bill():
        found[row["purpose"].split("/")[0]] += row["answers"]
    kept.close()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "rejected", "strategy", "best_of"),
    [
        pytest.param("direct", "human", "naive", 1, marks=pytest.mark.slow),
        pytest.param("direct", "human", "naive", 3, marks=pytest.mark.slow),
        pytest.param("human-improved", "human", "in-sequence", 1, marks=pytest.mark.slow),
        pytest.param("llm-improved", "human", "lacking-dimension", 2, marks=pytest.mark.slow),
        ("llm-improved", "direct", "in-sequence", 2),
    ],
)
def test_the_requests_to_a_teacher_are_those_of_the_plan(
    faulty, empathic, tmp_path: Path, method: str, rejected: str, strategy: str, best_of: int
) -> None:
    rows = [
        {
            "utterance": f"My boat {i} sank.",
            "replies": {"human": f"Boat {i} was old."} if i else {},  # one that there is nothing to improve of
            "split": "test" if i < 2 else "train",
        }
        for i in range(8)
    ]
    rows[0]["split"] = "train"
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    server = faulty("--varied")
    teacher = {"endpoint": server.url, "model": "m", "best_of": best_of}
    about = {
        "dialogues": {"source": "d.jsonl"},
        "method": {"name": method, "rejected": [rejected]},
        "strategy": strategy,
        "teacher": teacher,
        "ranker": {"name": "ranker", "endpoint": server.url, "model": "r"},
    }
    path = tmp_path / "r.yaml"
    path.write_text(json.dumps(about), encoding="utf-8")
    lines = dict(plan(load_recipe(str(path)), tmp_path / "run"))
    done = empathic("run", path, "--out", tmp_path / "run", "--until", "corpus")
    assert done.returncode == 0, done.stderr
    assert _numbers(lines["teacher"])[0] == _asked(tmp_path / "run" / "ledger.sqlite")["teacher"]
    assert _numbers(lines["corpus"]) == [
        len(list(files.read_jsonl(tmp_path / "run" / "corpus" / name))) for name in ("sft.jsonl", "preferences.jsonl")
    ]


def test_a_whole_run_does_what_its_plan_said(whole, tmp_path: Path) -> None:
    recipe = load_recipe(str(whole.recipe))
    lines = dict(plan(recipe, tmp_path / "run"))
    run = whole.run
    facts = {name: stage["facts"] for name, stage in files.read_json(run / "manifest.json")["stages"].items()}
    dialogues = sources.load_dialogues(recipe.dialogues, recipe.seed)
    assert _numbers(lines["dialogues"]) == [*Counter(d.split for d in dialogues).values(), 0]
    for step in ("sft", "dpo"):
        history = files.read_json(run / "student" / f"{step}.json")["history"]
        assert _numbers(lines[step])[0] == max(row["step"] for row in history)
    assert _numbers(lines["phone"])[0] == len(facts["phone"]["bytes"])
    replies = [
        (row["id"], row["reply"]) for path in (run / "replies").glob("*.jsonl") for row in files.read_jsonl(path)
    ]
    asked = _asked(run / "ledger.sqlite")
    assert _numbers(lines["replies"]) == [len(replies)] == [asked["replies"]]
    # The ledger has the same question once: of a reply that two systems give, and of the controls' own replies.
    again = len(replies) - len(set(replies)) + recipe.sample.controls
    per_reply = len(behaviours.questions(recipe.judge[0].questions).texts)
    assert _numbers(lines["judge"])[0] == asked["behaviours"] + again * per_reply
