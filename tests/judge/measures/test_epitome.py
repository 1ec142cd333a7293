"""The scorer learns from labels, answers as it was saved, and joins a run's measures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from empathic.errors import UserError
from empathic.judge import classifier, verdicts
from empathic.judge.measures import epitome, levels
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.measures.levels import LabelledReply
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.judge.scores import Scores

THINGS = ("kettle", "tractor", "violin", "harbour", "lantern", "bicycle", "orchard", "letter")


def _rows() -> list[LabelledReply]:
    """Replies that a rule labels: a question explores, a feeling reacts, nothing interprets."""
    rows = []
    for i, thing in enumerate(THINGS * 6):
        asks, feels = i % 2, i // 2 % 2
        reply = ("What a sad loss." if feels else "Noted.") + (" What happened to it?" if asks else "")
        found = {"emotional_reactions": 2 * feels, "interpretations": 0, "explorations": 2 * asks}
        rows.append(LabelledReply(f"{i}", f"p{i}", JudgedReply(f"My {thing} is gone.", reply), found))
    return rows


@pytest.fixture(scope="module")
def scorer(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("epitome") / "scorer"
    steps: list[tuple[int, int]] = []
    epitome.train(_rows(), out, str(tiny), epochs=16, progress=lambda *step: steps.append(step))
    assert steps == [(i + 1, 48) for i in range(48)]
    assert [path.name for path in out.parent.iterdir()] == ["scorer"], "no checkpoint or part is left"
    return out


@pytest.mark.slow
def test_a_training_that_is_stopped_goes_on_and_ends_alike(tiny: Path, tmp_path: Path) -> None:
    def stopped_at(most: int) -> Callable[[int, int], None]:
        def progress(done: int, total: int) -> None:
            steps.append(done)
            if done == most:
                raise KeyboardInterrupt

        return progress

    rows, steps = _rows(), list[int]()
    epitome.train(rows, tmp_path / "undisturbed", str(tiny), epochs=3)
    with pytest.raises(KeyboardInterrupt):
        epitome.train(rows, tmp_path / "stopped", str(tiny), epochs=3, progress=stopped_at(5))
    (torn,) = tmp_path.glob(".stopped-*-checkpoints")
    (torn / "checkpoint-5").mkdir()
    epitome.train(rows, tmp_path / "stopped", str(tiny), epochs=3, progress=stopped_at(0))
    assert steps == [1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9]
    one, other = ((tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("undisturbed", "stopped"))
    assert one == other
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stopped", "undisturbed"]


@pytest.mark.slow
def test_a_batch_in_passes_teaches_what_it_does_at_once(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        replace(row, asked=JudgedReply(f"{row.asked.utterance} {'Oh. ' * (i % 9)}", row.asked.reply))
        for i, row in enumerate(_rows()[:40])
    ]
    weights = {}
    for passes in (1, 4):
        monkeypatch.setattr(classifier, "_PASSES", passes)
        epitome.train(rows, tmp_path / f"{passes}", str(tiny), epochs=8)
        weights[passes] = load_file(tmp_path / f"{passes}" / "adapter_model.safetensors")
    at_once, in_passes = weights.values()
    moved = max(value.abs().max().item() for name, value in at_once.items() if "lora_B" in name)
    apart = max((at_once[name] - in_passes[name]).abs().max().item() for name in at_once)
    assert apart < moved / 100


def test_a_scorer_learns_what_the_labels_say(scorer: Path) -> None:
    rows = _rows()
    found = epitome.Scorer(scorer).probabilities([row.asked for row in rows])
    for name in levels.BEHAVIOURS:
        right = sum(levels.argmax_level(of[name]) == row.levels[name] for row, of in zip(rows, found, strict=True))
        assert right >= 46, name
    assert all(sum(of[name]) == pytest.approx(1) for of in found for name in levels.BEHAVIOURS)


def test_a_reply_scores_the_same_whatever_is_scored_beside_it(scorer: Path) -> None:
    asked = [row.asked for row in _rows()[:20]] + [JudgedReply("", ""), JudgedReply("word " * 900, "🙂 " * 400)]
    one = epitome.Scorer(scorer)
    together = one.probabilities(asked)
    for alone, of in zip((one.probabilities([single])[0] for single in asked), together, strict=True):
        for name in levels.BEHAVIOURS:
            assert alone[name] == pytest.approx(of[name], abs=1e-4)


@pytest.mark.network
@pytest.mark.long
def test_a_scorer_is_tried_on_a_half_of_the_controls(empathic, scorer: Path, tiny_gguf: Path, tmp_path: Path) -> None:
    settings = ("--judge", f"local:{tiny_gguf}", "--ledger", tmp_path / "l.sqlite", "--dialogues", 2, "--json")
    found = [
        json.loads(empathic("judge", "controls", *settings, "--half", half, "--scorer", scorer).stdout)
        for half in (1, 2)
    ]
    assert all(set(of) == {"behaviours", "specificity", "agreed", "levels"} for one in found for of in one.values())
    assert found[0] != found[1]


def test_levels_are_a_measure_of_a_run(scorer: Path) -> None:
    tested = [EvalDialogue(f"d{i}", f"My {thing} is gone.") for i, thing in enumerate(THINGS)]
    kind = {d.id: "What a sad loss. What happened to it?" for d in tested}
    measure = epitome.EpitomeMeasure(epitome.Scorer(scorer))
    asked = EvalSet(tested, {"kind": kind, "curt": dict.fromkeys(kind, "Noted.")})
    scores = Scores(measure.score(asked, None, lambda: None))
    (rate,) = verdicts.compare("kind", "curt", scores)[1]
    assert (rate.measure, rate.estimate, rate.n) == ("levels", 1.0, 8)


def test_a_folder_without_a_scorer_and_no_rows_are_told(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(UserError, match="judge train"):
        epitome.Scorer(tmp_path)
    with pytest.raises(UserError, match="no labelled replies"):
        epitome.train([], tmp_path / "out", str(tiny))


@pytest.mark.long
def test_a_run_reads_levels_where_its_recipe_names_a_scorer(empathic, whole, scorer: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.run, out)
    done = empathic("run", whole.recipe, "--out", out, "--set", f"epitome_scorer={scorer}", "--redo")
    assert done.returncode == 0, done.stderr
    figures = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert {row["measure"] for row in figures["win_rates"]} >= {"behaviours", "levels"}
    assert set(figures["controls"]["levels"]) == {"another", "stock", "shuffled"}
    assert "<strong>Levels</strong>" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_scorer_is_trained_and_measured_from_the_command_line(
    empathic, refused, welivita: Path, tiny: Path, tmp_path: Path
) -> None:
    env = {"EMPATHIC_DATA": str(welivita)}
    told = ("--out", tmp_path / "s", "--model", tiny, "--epochs", 1, "--n", 32, "--json")
    done = empathic("judge", "train", "epitome", *told, **env)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {name: row["n"] for name, row in rows.items()} == dict.fromkeys(levels.BEHAVIOURS, 32)
    again = empathic("judge", "agreement", "epitome", "--scorer", tmp_path / "s", "--n", 32, "--json", **env)
    assert json.loads(again.stdout) == rows
    assert "no scorer there" in refused("judge", "agreement", "epitome", "--scorer", tmp_path, "--n", 2, **env)
