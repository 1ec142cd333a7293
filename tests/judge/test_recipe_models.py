"""Every model that a recipe needs is found, wherever the recipe names it; plan and doctor go by the same list."""

from __future__ import annotations

from pathlib import Path

import pytest
from distilling import recipe_of

from empathic import files
from empathic.cli.main import main
from empathic.doctor import target
from empathic.judge import recipe_models
from empathic.pipeline.plan import plan
from empathic.recipe import load_recipe

JUDGE = "judge=[{name: j, endpoint: 'http://nowhere', model: m}]"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A PEFT adapter on a known model; nothing but its settings is looked at."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    files.write_json(folder / "adapter_config.json", {"base_model_name_or_path": "qwen2.5-coder-1.5b"})
    return folder


def test_a_local_teacher_and_the_base_of_an_adapter_are_among_them(
    tiny: Path, adapter: Path, tmp_path: Path, monkeypatch
) -> None:
    recipe = recipe_of(tiny, adapter, "teacher={endpoint: 'local:qwen2.5-coder-0.5b'}", JUDGE)
    assert recipe_models.models_of(recipe) == ["qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"]
    assert recipe_models.models_of(load_recipe("demo", [f"student.model={adapter}", JUDGE])) == ["qwen2.5-coder-1.5b"]
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path / "cache"))
    fetched = dict(plan(recipe, tmp_path / "run"))["fetch"]
    assert fetched == "qwen2.5-coder-1.5b, qwen2.5-coder-0.5b (1608 MB, once)"


def test_a_ranker_counts_where_it_is_asked() -> None:
    ranker = "ranker={name: r, endpoint: 'local:qwen2.5-coder-0.5b'}"
    for best_of, among in ((1, False), (2, True)):
        changes = [ranker, f"teacher={{endpoint: 'http://x', best_of: {best_of}}}", JUDGE]
        recipe = load_recipe("direct", changes)
        assert ("qwen2.5-coder-0.5b" in recipe_models.models_of(recipe)) == among
        assert ("local:qwen2.5-coder-0.5b" in map(str, target.targets(recipe))) == among


def test_doctor_follows_an_adapter_and_looks_at_who_teaches_a_step(
    tiny: Path, larger: Path, adapter: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path / "cache"))
    student, taught = target.weights(recipe_of(adapter, larger))
    assert student.mark == "mind" and str(student).startswith(f"qwen2.5-coder-1.5b, under {adapter} isn't here yet")
    assert (taught.mark, taught.check, str(taught)) == ("ok", "distil teacher", f"{larger}, a folder")
    taught = list(target.weights(recipe_of(tiny, adapter)))[1]
    assert taught.mark == "mind" and "isn't here yet (1,117 MB)" in str(taught)
    taught = list(target.weights(recipe_of(tiny, "nowhere")))[1]
    assert taught.mark == "fails" and str(taught).startswith("steps.distil.teacher: nowhere: no such model")


def test_doctor_prints_them(tiny: Path, adapter: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "r.yaml").write_text(
        f"student: {{model: {tiny}}}\n"
        f"judge: [{{endpoint: 'local:qwen2.5-coder-0.5b'}}]\nsteps: [{{name: distil, teacher: {adapter}}}]\n",
        encoding="utf-8",
    )
    with pytest.raises(SystemExit):
        main(["doctor", str(tmp_path / "r.yaml")])
        raise SystemExit(0)
    said = capsys.readouterr().out
    assert f"✓ student            {tiny}, a folder" in said
    assert f"! distil teacher     qwen2.5-coder-1.5b, under {adapter} isn't here yet" in said
    assert "qwen2.5-coder-1.5b, qwen2.5-coder-0.5b are still to be fetched" in said
