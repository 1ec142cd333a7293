from __future__ import annotations

import re
from pathlib import Path

import pytest

from empathic.errors import UserError
from empathic.recipe import Recipe, load_recipe, ready
from empathic.recipe.steps import Dpo


@pytest.mark.parametrize("name", sorted(ready()))
def test_every_ready_recipe_loads_and_says_what_it_is(name: str) -> None:
    assert load_recipe(name).name == name
    assert ready()[name].read_text(encoding="utf-8").startswith("# ")


def test_the_paper_recipe_has_the_papers_settings() -> None:
    recipe = load_recipe("paper")
    for step in recipe.steps:
        assert (step.epochs, step.learning_rate, step.batch_size) == (3, 5e-5, 2)
    dpo = recipe.step("dpo")
    assert isinstance(dpo, Dpo) and (recipe.lora_rank, dpo.beta, dpo.loss) == (8, 0.1, "sigmoid")


def test_a_resolved_recipe_loads_again_as_itself(tmp_path: Path) -> None:
    recipe = load_recipe("demo")
    (tmp_path / "again.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert load_recipe(str(tmp_path / "again.yaml")) == recipe


def test_files_beside_the_recipe_are_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("utterance\nhello\n", encoding="utf-8")
    (tmp_path / "r.yaml").write_text("dialogues: {source: mine.csv}\n", encoding="utf-8")
    assert load_recipe(str(tmp_path / "r.yaml")).dialogues.source == str(tmp_path / "mine.csv")


def test_set_reads_yaml_and_reaches_nested_keys() -> None:
    recipe = load_recipe(
        "demo",
        ["steps.sft.epochs=7", "steps.1.epochs=3", "sample.references={ordinary: null}", "method.rejected=direct"],
    )
    assert [step.epochs for step in recipe.steps] == [7, 3]
    assert recipe.sample.references == {"ordinary": None}
    assert recipe.method.rejected == ["direct"]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("steps.sft.epocs=1", "did you mean 'epochs'"),
        ("studnt.model=x", "did you mean 'student'"),
        ("dialogues.colums={}", "did you mean 'columns'"),
        ("steps.sft.epochs=many", "steps.0.epochs"),
        ("steps.0.epochs=0", "steps.0.epochs"),
        ("steps.sft.epochs", "want key=value"),
        ("name.first=x", "no keys of its own"),
        ("method.name=guess", "method.name"),
        ("judge=[]", "judge"),
        ("judge=[{name: a}, {name: a}]", "names must differ"),
        ("steps={", "isn't YAML"),
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


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ("[]", "a run trains one step or more"),
        ("[{name: dpo}]", "'dpo' is of the kind dpo and has no sft step before it"),
        ("[{name: dpo}, {name: sft}]", "has no sft step before it"),
        ("[{name: sft}, {kind: sft}]", "'sft' names two steps"),
        ("[{name: sft}, {name: SFT, kind: sft}]", "'SFT' names two steps"),
        ("[{name: ../up, kind: sft}]", "'../up' can't name a folder"),
        ("[{name: '', kind: sft}]", "can't name a folder"),
        ("[{name: '7', kind: sft}]", "can't name a folder"),
        ("[{name: .sft, kind: sft}]", "can't name a folder"),
        ("[{name: base, kind: sft}]", "'base' is the student before any step"),
        ("[{name: judge, kind: sft}]", "'judge' already names a part of every run"),
        ("[{name: warmer}]", "the step 'warmer' wants a kind: one of sft, dpo, distil"),
        ("[{kind: ppo}]", "no such kind of step: 'ppo'"),
        ("[{}]", "wants a name or a kind"),
        ("[{name: sft, lora_rank: 4}, {name: dpo, lora_rank: 8}]", "goes on with an adapter of rank 4"),
        ("[{name: sft}, {name: dpo, pairs: own}]", "reward_model: dpo ranks the student's own replies"),
        ("[{name: distil}]", "steps.0.teacher: field required"),
        ("[{name: distil, teacher: there, own: 1.5}]", "steps.0.own: input should be less than or equal to 1"),
        ("[{name: distil, teacher: there, own: -0.1}]", "steps.0.own: input should be greater than or equal to 0"),
        ("[{name: distil, teacher: there, beta: 2}]", "steps.0.beta: input should be less than or equal to 1"),
        ("[{name: distil, teacher: there}, {name: dpo}, {name: distil-replies, kind: sft}]", "names two steps"),
        ("[{name: sft, beta: 1}]", "steps.0.beta: unknown key"),
        ("{sft: {epochs: 1}}", "valid list"),
    ],
)
def test_steps_that_cannot_be_trained_are_refused_in_one_line(steps: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        load_recipe("demo", [f"steps={steps}"])
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sft.epochs=1", "sft: this key is now steps"),
        ("dpo.beta=1", "dpo: this key is now steps"),
        ("steps.sft.passes=2", "steps.sft.passes: this key is now steps.sft.gradient_accumulation_steps"),
        ("steps.1.recompute=true", "steps.dpo.recompute: this key is now steps.dpo.gradient_checkpointing"),
        ("sample.sft=32", "sample.sft: this key is now sample.systems.sft"),
        ("sample.known={}", "sample.known: this key is now sample.references"),
        ("levels=x", "levels: this key is now epitome_scorer"),
        ("teacher.in_flight=3", "teacher.in_flight: this key is now teacher.max_connections"),
        ("teacher.keep={}", "teacher.keep: this key is now teacher.filters"),
    ],
)
def test_an_old_key_is_refused_with_the_new_one(old: str, new: str) -> None:
    with pytest.raises(UserError, match=re.escape(new)):
        load_recipe("demo", [old])


def test_a_recipe_of_before_that_calls_the_sources_split_own_still_runs() -> None:
    assert load_recipe("demo", ["dialogues.split=own"]).dialogues.split == "source"


def test_an_item_of_a_list_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="steps has no item 'warmer'; want sft, dpo, or a number below 2"):
        load_recipe("demo", ["steps.warmer.epochs=1"])
    with pytest.raises(UserError, match="steps has no item '2'"):
        load_recipe("demo", ["steps.2.epochs=1"])


def test_names_and_kinds_fill_each_other_in_and_systems_follow() -> None:
    recipe = Recipe(name="r", steps=[{"kind": "sft"}, {"name": "dpo"}, {"name": "dpo-2", "kind": "dpo"}])
    assert [(step.name, step.kind) for step in recipe.steps] == [("sft", "sft"), ("dpo", "dpo"), ("dpo-2", "dpo")]
    assert recipe.systems == ("base", "sft", "dpo", "dpo-2") and recipe.final == "dpo-2"
    assert [recipe.before(step.name) for step in recipe.steps] == ["base", "sft", "dpo"]
    assert [recipe.sampled(system) for system in recipe.systems] == [None, 32, 32, None]
    assert [recipe.label(s) for s in (*recipe.systems, "human")] == [
        "before",
        "after SFT",
        "after DPO",
        "after dpo-2",
        "human",
    ]


def test_a_size_for_a_system_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="no system is called 'dop'; want base, sft, dpo"):
        load_recipe("demo", ["sample.systems={dop: 3}"])
