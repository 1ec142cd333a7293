from __future__ import annotations

from pathlib import Path

from empathic import files
from empathic.recipe import Recipe
from empathic.report import corpus
from empathic.run import Run
from empathic.run.artefacts import Manifest


def _turn(words: int) -> list[dict[str, str]]:
    return [{"role": "any", "content": " ".join(["word"] * words)}]


def test_a_corpus_is_counted_by_the_origin_of_its_replies(tmp_path: Path) -> None:
    about = (("t0", "sad"), ("t1", "proud"), ("t2", "sad"), ("t3", ""))
    dialogues = [
        {"id": id, "utterance": "Hm.", "emotion": emotion, "replies": {}, "split": "train"} for id, emotion in about
    ]
    files.write_jsonl(tmp_path / "dialogues.jsonl", dialogues)
    examples = [
        {"id": "t0", "origin": "human", "prompt": _turn(4), "completion": _turn(10)},
        {"id": "t0", "origin": "kind", "prompt": _turn(4), "completion": _turn(20)},
        {"id": "t1", "origin": "kind", "prompt": _turn(7), "completion": _turn(30)},
    ]
    files.write_jsonl(tmp_path / "corpus" / "sft.jsonl", examples)
    pairs = [
        {"id": id, "origin": "kind", "prompt": _turn(1), "chosen": _turn(8), "rejected": _turn(3)}
        for id in ("t2", "t3")
    ]
    files.write_jsonl(tmp_path / "corpus" / "preferences.jsonl", pairs)
    means = ("prompt", "completion", "chosen", "rejected")
    run = Run(tmp_path, Recipe(name="r"), Manifest(name="r", empathic="0"))
    rows = corpus.by_origin(run)
    assert [(row["origin"], row["sft"], row["preferences"], row["emotions"]) for row in rows] == [
        ("human", 1, 0, 1),
        ("kind", 2, 2, 2),
        ("all", 3, 2, 2),
    ]
    assert [[row[mean] for mean in means] for row in rows] == [
        [4, 10, None, None],
        [3.2, 25, 8, 3],
        [3.4, 20, 8, 3],
    ]
    files.write_jsonl(tmp_path / "corpus" / "sft.jsonl", examples[1:])
    assert [row["origin"] for row in corpus.by_origin(run)] == ["kind"], "nothing to add up"
