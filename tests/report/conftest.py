"""A run directory as the stages leave it, judged by the real code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.corpus import rows
from empathic.dialogues import Dialogue
from empathic.judge import verdicts
from empathic.judge.measures.behaviours import questions
from empathic.judge.results import results

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
    for name in ("sft", "dpo"):
        files.write_json(folder / "student" / f"{name}.json", {"history": [step, {**step, "loss": 0.4}]})
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
        "corpus": {"sft": 2, "preferences": 2, "by_teacher": {"kind": {}}},
        "sft": trained,
        "dpo": {**trained, "reward_accuracy": 0.9},
        "judge": _judged(folder, ids, judges),
    }
    return {name: {"status": "done", "seconds": 1.5, "facts": fact} for name, fact in facts.items()}


def _judged(folder: Path, ids: list[str], judges: Mapping[str, float]) -> dict[str, Any]:
    """The judge's facts; the verdicts are written."""
    scores = verdicts.Scores()
    for system, lift in (("base", 0.0), ("sft", 0.5), ("dpo", 1.0), ("control:own", 1.0), ("stock", 1.5)):
        for judge, liking in judges.items():
            scores.log_odds.setdefault(judge, {})[system] = {
                id: dict.fromkeys(questions().texts, liking * lift + i % 3) for i, id in enumerate(ids)
            }
        scores.words[system] = {id: 15 + i * int(3 + 4 * lift) % 11 for i, id in enumerate(ids)}
        scores.pmi[system] = {id: lift + (i % 5) for i, id in enumerate(ids)}
    for a, b in PAIRS:
        files.write_jsonl(folder / "verdicts" / f"{a}-{b}.jsonl", verdicts.compare(a, b, scores)[0])
    return {"judge": ", ".join(judges), **results(scores, PAIRS, ("base", "sft", "dpo"))}
