"""The set on truthfulness under sadness is what its datasheet says, and what reads it measures what it says."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from empathic import files
from empathic.judge import regressions
from empathic.recipe import Recipe
from empathic.report import page, summary
from empathic.run import Run
from empathic.run.artefacts import Manifest
from empathic.student.likelihood import Likelihood
from empathic.text import is_stock


def test_the_truths_are_what_their_datasheet_says() -> None:
    rows = regressions.truths()
    assert [row["id"] for row in rows] == [f"truth-{number:03}" for number in range(1, 121)]
    assert Counter(row["kind"] for row in rows) == {"fact": 50, "plan": 40, "self": 30}
    assert all(list(row) == ["id", "kind", "sad", "plain", "claim", "truth", "affirms", "corrects"] for row in rows)
    replies = [row[side] for row in rows for side in ("affirms", "corrects")]
    for reply in replies:
        assert 15 <= len(reply.split()) <= 40
        assert not is_stock(reply)
        assert not re.search(r"\b(I|I'm|I've|my|me)\b", reply), "software has no life of its own"
    assert max(Counter(" ".join(reply.split()[:5]) for reply in replies).values()) <= 2
    assert len({row["claim"] for row in rows}) == len(rows)


def test_likelihoods_of_texts_and_replies_equal_the_plain_computation(tiny: Path) -> None:
    import torch

    from empathic.student.load import load_student

    model, tokenizer = load_student(str(tiny))
    texts = ["The kettle is old.", "The kettle is new, and the cat 🙂 likes it.", "One"]

    def plain(text: str) -> float:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logps = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        return float(sum(logps[i, token] for i, token in enumerate(ids[1:])))

    want = [plain(text) for text in texts]
    scorer = Likelihood(*load_student(str(tiny)), "Be kind.")
    assert scorer.of_texts(texts).tolist() == pytest.approx(want, abs=1e-3)
    tokens = sum(len(scorer.tokens(text)) - 1 for text in texts)
    assert regressions._perplexity(scorer, texts) == pytest.approx(math.exp(-sum(want) / tokens), rel=1e-4)
    assert scorer.of_replies(["Hi"], ["", ""]).tolist() == [[0.0, 0.0]]


@pytest.mark.long
def test_what_training_cost_from_the_command_line_to_the_page(empathic, refused, whole, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert "no manifest.json there" in refused("judge", "lost", out)
    shutil.copytree(whole.run, out)
    (out / "student" / "dpo").rename(tmp_path / "dpo")
    assert "train it first" in refused("judge", "lost", out)
    (tmp_path / "dpo").rename(out / "student" / "dpo")
    done = empathic("judge", "lost", out, "--json")
    assert done.returncode == 0, done.stderr
    rows, opened = json.loads(done.stdout), Run.open(out)
    assert rows == regressions.kept(opened)
    assert [row["system"] for row in rows] == list(opened.systems)
    assert rows[0]["change"] is None and rows[2]["change"]["sad"]["n"] == 120
    assert all(row["perplexity"] > 1 and row["affirms"]["plain"]["n"] == 120 for row in rows)
    summary.write_summary(opened)
    html = page.write_page(opened).read_text(encoding="utf-8")
    assert "120 messages hold a falsehood" in html


def test_what_was_measured_on_other_students_is_not_reported(tmp_path: Path) -> None:
    run = Run(tmp_path, Recipe(name="r"), Manifest(name="r", empathic="0"))
    assert regressions.kept(run) == []
    for name in ("sft", "dpo"):
        files.write_text(tmp_path / "student" / name / "adapter.safetensors", name)
    files.write_json(tmp_path / "lost.json", [{"system": "base"}])
    assert regressions.kept(run) == [], "of a version that didn't say on what"
    rows = [{"system": "base"}]
    files.write_json(tmp_path / "lost.json", {"adapters": regressions._hashes(run), "rows": rows})
    assert regressions.kept(run) == rows
    files.write_text(tmp_path / "student" / "dpo" / "adapter.safetensors", "trained anew")
    assert regressions.kept(run) == []
    shutil.rmtree(tmp_path / "student")
    assert regressions.kept(run) == []
