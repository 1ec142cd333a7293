from __future__ import annotations

from pathlib import Path

import pytest

from empathic.errors import UserError
from empathic.recipe import load_recipe, ready


@pytest.mark.parametrize("name", sorted(ready()))
def test_every_ready_recipe_loads_and_says_what_it_is(name: str) -> None:
    assert load_recipe(name).name == name
    assert ready()[name].read_text(encoding="utf-8").startswith("# ")


def test_the_paper_recipe_has_the_papers_settings() -> None:
    recipe = load_recipe("paper")
    for step in (recipe.sft, recipe.dpo):
        assert (step.epochs, step.learning_rate, step.batch_size) == (3, 5e-5, 2)
    assert (recipe.sft.lora_rank, recipe.dpo.beta, recipe.dpo.loss) == (8, 0.1, "sigmoid")


def test_a_resolved_recipe_loads_again_as_itself(tmp_path: Path) -> None:
    recipe = load_recipe("demo")
    (tmp_path / "again.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert load_recipe(str(tmp_path / "again.yaml")) == recipe


def test_files_beside_the_recipe_are_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("utterance\nhello\n", encoding="utf-8")
    (tmp_path / "r.yaml").write_text("dialogues: {source: mine.csv}\n", encoding="utf-8")
    assert load_recipe(str(tmp_path / "r.yaml")).dialogues.source == str(tmp_path / "mine.csv")


def test_set_reads_yaml_and_reaches_nested_keys() -> None:
    recipe = load_recipe("demo", ["sft.epochs=7", "sample.known={ordinary: null}", "method.rejected=direct"])
    assert recipe.sft.epochs == 7
    assert recipe.sample.known == {"ordinary": None}
    assert recipe.method.rejected == ["direct"]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("sft.epocs=1", "did you mean 'epochs'"),
        ("studnt.model=x", "did you mean 'student'"),
        ("dialogues.colums={}", "did you mean 'columns'"),
        ("sft.epochs=many", "sft.epochs"),
        ("sft.epochs=0", "sft.epochs"),
        ("sft.epochs", "want key=value"),
        ("name.first=x", "no keys of its own"),
        ("method.name=guess", "method.name"),
        ("judge=[]", "judge"),
        ("judge=[{name: a}, {name: a}]", "names must differ"),
        ("judge=[{name: agreed}]", "names must differ"),
        ("sft={", "isn't YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named(override: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load_recipe("demo", [override])


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "", "\x00"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.yaml"):
        load_recipe(str(path))


def test_the_nearest_recipe_is_suggested() -> None:
    with pytest.raises(UserError, match="did you mean 'direct'"):
        load_recipe("dircet")
