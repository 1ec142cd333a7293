"""A run directory as the stages leave it, judged by the real code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from score_table import table

from empathic import files
from empathic.corpus import rows
from empathic.dialogues import Dialogue
from empathic.judge import verdicts
from empathic.judge.measures.behaviours import questions
from empathic.judge.measures.hollowness import HollownessMeasure
from empathic.judge.replies import EvalDialogue, EvalSet, read_replies
from empathic.judge.results import results
from empathic.judge.scores import SCORES_FILE
from empathic.recipe import Recipe
from empathic.run.artefacts import VERSION

NASTY = "<script>document.title='broken'</script> & \"quotes\" 🙂 شكرا"
PAIRS = (("dpo", "base"), ("sft", "base"))
EMOTIONS = ("sad", "proud", "afraid", "joyful")
ONE = {"tiny": 1.0}
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a run of so many test dialogues in which all say `said`; judges come with their liking of the student."""

    def made(n: int = 24, judges: Mapping[str, float] = ONE, said: str = NASTY) -> Path:
        ids = [f"d{i}" for i in range(n)]
        _written(tmp_path, ids, said)
        about = {
            "version": VERSION,
            "name": "nasty",
            "empathic": "0",
            "git": None,
            "python": "3",
            "machine": "m",
            "versions": {"torch": "2"},
        }
        stages = _stages(tmp_path, ids, judges)
        files.write_json(tmp_path / "manifest.json", {**about, "stages": stages})
        return tmp_path

    return made


@pytest.fixture
def run(make: Make) -> Path:
    """A run of one judge, with text that could break a page."""
    return make()


def _written(folder: Path, ids: list[str], said: str) -> None:
    """What the stages before the judge leave."""
    dialogues, taught = [], []
    for split, names in (("test", ids), ("train", ["t0", "t1", "t2"])):
        for i, id in enumerate(names):
            d = Dialogue.from_row(
                {
                    "id": id,
                    "utterance": said,
                    "emotion": EMOTIONS[i % 4],
                    "replies": {origin: {"text": text} for origin, text in (("human", said), ("kind", "Oh no, you!"))},
                    "split": split,
                }
            )
            dialogues.append(d.to_row())
            taught += [d] if split == "train" else []
    files.write_jsonl(folder / "dialogues.jsonl", dialogues)
    made = [rows.Made("sft", "kind", rows.example(taught[0], origin)) for origin in ("human", "kind")]
    made += [rows.Made("preferences", "kind", rows.pair(d, "kind", "human")) for d in taught[1:]]
    rows.write_corpus(made, folder / "corpus")
    for system in ("base", "sft", "dpo"):
        replies = [
            {
                "id": d["id"],
                "emotion": d["emotion"],
                "situation": "",
                "utterance": said,
                "reply": f"{system} {d['id']} {said}",
            }
            for d in dialogues
            if d["split"] == "test"
        ]
        files.write_jsonl(folder / "replies" / f"{system}.jsonl", replies)
    step = {"loss": 0.6, "rewards/margins": 0.1, "rewards/accuracies": 1.0}
    for name, first in (("sft", {"loss": 0.6}), ("dpo", step)):
        files.write_json(folder / "student" / f"{name}.json", {"history": [first, {**first, "loss": 0.4}]})
    (folder / "recipe.yaml").write_text("name: nasty\n", encoding="utf-8")
    (folder / "phone").mkdir()


def _stages(folder: Path, ids: list[str], judges: Mapping[str, float]) -> dict[str, Any]:
    """What the manifest says of every stage."""
    trained = {"seconds": 1.0, "examples_per_second": 2.0, "first_loss": 0.6, "last_loss": 0.4}
    facts = {
        "dialogues": {"train": 3, "test": len(ids), "leaks_dropped": 0},
        "teacher": {
            "replies": 3,
            "aside": 3,
            "removed": {"words": 2},
            "dimensions": {"affective": 40, "cognitive": 32},
        },
        "corpus": {"sft": 2, "preferences": 2, "by_teacher": {"kind": {}}, "left_out": {"life": 3, "crisis": 1}},
        "sft": trained,
        "dpo": {**trained, "reward_accuracy": 0.9},
        "judge": _judged(folder, ids, judges),
    }
    return {name: {"status": "done", "seconds": 1.5, "facts": fact} for name, fact in facts.items()}


def _judged(folder: Path, ids: list[str], judges: Mapping[str, float]) -> dict[str, Any]:
    """The judge's facts; scores and verdicts are written."""
    lifts = {"base": 0.0, "sft": 0.5, "dpo": 1.0, "control:own": 1.0, "stock": 1.5}
    scores = table(
        log_odds={
            judge: {
                system: {id: dict.fromkeys(questions().texts, liking * lift + i % 3) for i, id in enumerate(ids)}
                for system, lift in lifts.items()
            }
            for judge, liking in judges.items()
        },
        pmi={system: {id: lift + (i % 5) for i, id in enumerate(ids)} for system, lift in lifts.items()},
        words={
            system: {id: 15 + i * int(3 + 4 * lift) % 11 for i, id in enumerate(ids)} for system, lift in lifts.items()
        },
    )
    tests = [d for row in files.read_jsonl(folder / "dialogues.jsonl") if (d := Dialogue.from_row(row)).id in ids]
    whole = {name: read_replies(folder / "replies" / f"{name}.jsonl")[1] for name in ("base", "sft", "dpo")}
    whole |= {origin: {d.id: d.replies[origin].text for d in tests} for origin in tests[0].replies}
    hollow = EvalSet([EvalDialogue.of(d) for d in tests], {}, whole=whole)
    scores.add(HollownessMeasure().score(hollow, None, lambda: None))
    scores.write(folder / "verdicts" / SCORES_FILE)
    for a, b in PAIRS:
        files.write_jsonl(folder / "verdicts" / f"{a}.{b}.jsonl", verdicts.compare(a, b, scores)[0])
    found = results(scores, Recipe(name="nasty"), ())
    told = {
        key: [row for row in found[key] if (row["a"], row["b"]) in PAIRS] for key in ("win_rates", "length_controlled")
    }
    return {**found, **told}
