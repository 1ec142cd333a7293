"""Runs of other steps than the two of the paper, from end to end with a tiny student."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from empathic import files
from empathic.judge import classifier
from empathic.judge.comparisons import comparisons
from empathic.judge.measures import reader
from empathic.judge.measures.behaviours import JudgedReply
from empathic.pipeline.plan import plan
from empathic.recipe import load_recipe
from empathic.run import Run

LABELLED = [
    classifier.Labelled(
        JudgedReply(f"My hat number {i} is gone.", "What a loss." if i % 2 else "Noted."),
        {"understood": 2 * (i % 2), "feeling": 2 * (i % 2), "sense": 2, "send": i % 2},
    )
    for i in range(16)
]
STEP = "epochs: 1, learning_rate: 1.0e-3, batch_size: 2"
CASES = {
    "two of preferences": ("sft", "dpo", "dpo-2"),
    "two of examples": ("sft", "again", "dpo"),
    "one": ("only",),
}
KINDS = {"sft": "sft", "again": "sft", "only": "sft", "dpo": "dpo", "dpo-2": "dpo"}


@pytest.mark.slow
@pytest.mark.parametrize("names", CASES.values(), ids=CASES)
def test_any_steps_go_from_end_to_end(
    empathic, refused, recipe_file: Path, tmp_path: Path, names: tuple[str, ...]
) -> None:
    steps = ", ".join(f"{{name: {name}, kind: {KINDS[name]}, {STEP}}}" for name in names)
    changes = [f"steps=[{steps}]", "sample={controls: 3, references: {kind: 2}}"]
    recipe = load_recipe(str(recipe_file), changes)
    out = tmp_path / "run"
    forecast = dict(plan(recipe, out))
    done = empathic("run", recipe_file, "--out", out, *(part for one in changes for part in ("--set", one)))
    assert done.returncode == 0, done.stderr

    run = Run.open(out)
    systems, last = ("base", *names), names[-1]
    assert run.systems == systems and run.recipe == recipe
    assert [*run.manifest.stages, "training"] == list(forecast), "the last line is the bill of all training"
    assert all(run.gguf(system).exists() and run.replies(system).exists() for system in systems)
    found = run.summary()
    pairs = comparisons(recipe, ["kind"])
    assert {(row.a, row.b) for row in found.win_rates} == set(pairs)
    expected = {(name, "base") for name in names} | set(zip(names[1:], names, strict=False))
    assert set(pairs) == expected | {(last, "stock"), (last, "kind")}
    assert pairs[0] == found.headline == (last, "base")
    assert list(found.training) == list(names)
    assert {(row.first, row.second) for row in found.differences} == set(zip(names[1:], names, strict=False))
    assert {row["system"] for row in found.hollowness} >= set(systems)
    asked = sum(row["answers"] for row in found.bill if row["purpose"] == "behaviours")
    promised = int(forecast["judge"].split(" ")[0])
    assert asked <= promised, "the forecast counts what is asked, equal replies apart"
    page = run.page_file.read_text(encoding="utf-8")
    for step in recipe.steps:
        assert f"<figcaption>{step.label} loss</figcaption>" in page
        assert (f"<figcaption>{step.label} reward margin</figcaption>" in page) == (step.kind == "dpo")
    if len(names) > 1:
        line = refused("run", recipe_file, "--out", out, "--set", f"steps=[{{name: {names[0]}, kind: sft, {STEP}}}]")
        assert "the recipe has no step" in line and "--redo" in line


@pytest.mark.slow
def test_a_corpus_without_pairs_will_do_where_no_step_learns_from_them(
    empathic, refused, recipe_file: Path, eight: Path, tmp_path: Path
) -> None:
    rows = list(files.read_jsonl(eight))
    files.write_jsonl(eight, ({**row, "replies": {"kind": row["replies"]["kind"]}} for row in rows))
    one = ("--set", f"steps=[{{name: sft, {STEP}}}]")
    done = empathic("run", recipe_file, "--out", tmp_path / "one", "--until", "sft", *one)
    assert done.returncode == 0, done.stderr
    assert "method.rejected" in refused("run", recipe_file, "--out", tmp_path / "two", "--until", "corpus")


@pytest.mark.slow
def test_a_step_named_as_known_replies_are_is_refused(refused, recipe_file: Path, tmp_path: Path) -> None:
    any_size = ("--set", "sample={}")
    line = refused("run", recipe_file, "--out", tmp_path / "run", "--set", "steps=[{name: kind, kind: sft}]", *any_size)
    assert "'kind' is also the origin of known replies" in line


def test_a_run_that_another_version_made_is_refused(refused, recipe_file: Path, whole, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(whole.run, old)
    manifest = files.read_json(old / "manifest.json")
    del manifest["version"]
    files.write_json(old / "manifest.json", manifest)
    for command in (("report", old), ("vote", old), ("judge", "lost", old), ("run", recipe_file, "--out", old)):
        line = refused(*command)
        assert "empathic 0.1.0 made this run, in format 1" in line and "do the run over in another --out" in line


@pytest.mark.slow
def test_a_step_learns_from_the_students_own_replies(
    empathic, refused, recipe_file: Path, tiny: Path, tmp_path: Path
) -> None:
    reader.train(LABELLED, tmp_path / "reward", classifier.Learning(str(tiny), epochs=2))
    own = f"{{name: dpo, pairs: own, samples: 6, dialogues: 4, margin: 0, temperature: 2.0, {STEP}}}"
    taught = "epochs: 14, learning_rate: 1.0e-2, batch_size: 2"
    changes = [f"steps=[{{name: sft, {taught}}}, {own}]", "sample={controls: 2}", "student.max_tokens=60"]
    asked = ("run", recipe_file, "--out", tmp_path / "run", *(part for one in changes for part in ("--set", one)))
    assert "reward_model: dpo ranks the student's own replies" in refused(*asked)
    told = ("--set", f"reward_model={tmp_path / 'reward'}")
    assert "would judge its own choice" in refused(*asked, *told, "--set", f"reader={tmp_path / 'reward'}")
    forecast = empathic(*asked, *told, "--dry-run").stdout
    assert "24 replies of the student's own, at most 4 pairs" in forecast
    done = empathic(*asked, *told, "--until", "dpo")
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "run")
    assert list(run.manifest.stages)[3:] == ["sft", "dpo-pairs", "dpo"]
    rows = list(files.read_jsonl(run.lessons(run.recipe.step("dpo"))))
    assert 0 < len(rows) <= 4 and all(row["chosen"] != row["rejected"] for row in rows)
    assert sorted(path.name for path in run.path("student").iterdir()) == [
        "dpo", "dpo-pairs.jsonl", "dpo.json", "sft", "sft.json",
    ]  # fmt: skip
    kept = empathic(*asked, *told, "--until", "dpo")
    assert kept.returncode == 0 and list(files.read_jsonl(run.lessons(run.recipe.step("dpo")))) == rows
