"""Of several samples the ranker keeps the best, and a ranker that is also the judge is told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.pipeline.stages.teacher import STAGE, ranked_by_a_judge
from empathic.recipe import Recipe, load_recipe
from empathic.run import Run
from empathic.run.artefacts import Manifest

OURS = {"name": "ours", "endpoint": "http://ours/v1", "model": "m"}
OTHER = {"name": "other", "endpoint": "http://ours/v1", "model": "n"}


def _recipe(best_of: int = 4, **keys: Any) -> Recipe:
    return Recipe(name="r", teacher={"endpoint": "http://x/v1", "best_of": best_of}, judge=[OURS], **keys)


def test_a_judge_that_ranks_is_told_of() -> None:
    assert "there is no ranker" in (ranked_by_a_judge(_recipe()) or "")
    assert "the same model as the judge ours" in (ranked_by_a_judge(_recipe(ranker={**OURS, "name": "x"})) or "")
    assert ranked_by_a_judge(_recipe(ranker=OTHER)) is None
    assert ranked_by_a_judge(_recipe(best_of=1)) is None
    assert ranked_by_a_judge(Recipe(name="r", judge=[OURS])) is None


def test_a_rankers_questions_are_found_beside_the_recipe_and_count_for_the_stage(tmp_path: Path, display: Any) -> None:
    (tmp_path / "q.yaml").write_text("questions: {warm: Is it warm?}", encoding="utf-8")
    about = {"teacher": {"endpoint": "http://x/v1"}, "ranker": {**OTHER, "questions": "q.yaml"}}
    (tmp_path / "r.yaml").write_text(json.dumps(about), encoding="utf-8")
    recipe = load_recipe(str(tmp_path / "r.yaml"))
    run = Run(tmp_path / "run", recipe, Manifest(name="r", empathic="0"), display)
    files.write_text(run.path("dialogues.jsonl"), "")
    before = STAGE.wants(run)
    (tmp_path / "q.yaml").write_text("questions: {kind: Is it kind?}", encoding="utf-8")
    assert STAGE.wants(run) != before


def test_a_mistake_in_a_rankers_questions_is_told_before_any_work(refused, tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text("questions: []", encoding="utf-8")
    ranker = f"ranker={{name: x, questions: {tmp_path / 'q.yaml'}}}"
    assert "q.yaml" in refused("run", "demo", "--out", tmp_path / "run", "--set", ranker)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False])
def test_the_ranker_keeps_the_best_of_several(faulty, empathic, tmp_path: Path, named: bool) -> None:
    rows = [
        {"utterance": f"My boat {i} sank.", "replies": {"human": f"Boat {i} was old."}, "split": split}
        for i, split in enumerate(("test", *["train"] * 6))
    ]
    (tmp_path / "six.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    server = faulty("--varied")
    asked = {"endpoint": server.url, "model": "m", "best_of": 3, "filters": {"words": [1, 97]}}
    about = {
        "name": "best",
        "dialogues": {"source": "six.jsonl"},
        "method": {"name": "human-improved"},
        "strategy": "naive",
        "teacher": asked,
        "judge": [{"name": "judge", "endpoint": "http://127.0.0.1:9/v1" if named else server.url, "model": "n"}],
        **({"ranker": {"name": "ranker", "endpoint": server.url, "model": "n"}} if named else {}),
    }
    (tmp_path / "best.yaml").write_text(json.dumps(about), encoding="utf-8")
    done = empathic("run", tmp_path / "best.yaml", "--out", tmp_path / "run", "--until", "teacher")
    assert done.returncode == 0, done.stderr
    assert ("there is no ranker" in done.stdout) is not named
    found = list(files.read_jsonl(tmp_path / "run" / "teacher.jsonl"))
    assert [len(set(row["samples"])) for row in found] == [3] * 6
    assert all(row["reply"] in row["samples"] for row in found)
    assert any(row["reply"] != row["samples"][0] for row in found), "the first of three at random is rarely always best"
