from __future__ import annotations

import json
from pathlib import Path

import pytest

from empathic import files
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.pipeline import matrix
from empathic.recipe import Recipe, load_recipe
from empathic.teacher.strategies import DIMENSIONS, IMPROVING


def test_the_papers_matrix_has_fifteen_cells_for_each_student() -> None:
    cells = matrix.cells(load_recipe("paper"))
    assert len(cells) == 30
    assert {cell.student.model for cell in cells.values()} == {
        "meta-llama/Llama-3.1-8B-Instruct",
        "mistralai/Mistral-7B-Instruct-v0.3",
    }
    assert sum(cell.method.name == "direct" for cell in cells.values()) == 2
    assert {cell.strategy for cell in cells.values() if cell.method.name != "direct"} == set(IMPROVING)
    assert "llama-3.1-8b-instruct.llm-improved.in-sequence" in cells
    assert all(cell.name == f"paper.{name}" and not cell.matrix for name, cell in cells.items())


@pytest.mark.parametrize(
    ("keys", "says"),
    [({"steps.sft.epocs": [1]}, "epochs"), ({"steps.0.epochs": [0]}, "steps.0.epochs"), ({"name.x": [1]}, "name")],
)
def test_a_key_or_value_that_a_recipe_does_not_have_is_named(keys: dict[str, list[int]], says: str) -> None:
    with pytest.raises(UserError, match=says):
        matrix.cells(Recipe(name="r", matrix=keys))


def test_a_matrix_varies_keys_of_a_step_by_its_name_or_number() -> None:
    cells = matrix.cells(Recipe(name="r", matrix={"steps.sft.lora_rank": [4, 16], "steps.1.beta": [0.1, 3.0]}))
    assert list(cells) == ["4.0.1", "4.3.0", "16.0.1", "16.3.0"]
    found = [(cell.lora_rank, cell.step("dpo").model_dump()["beta"]) for cell in cells.values()]
    assert found == [
        (4, 0.1),
        (4, 3.0),
        (16, 0.1),
        (16, 3.0),
    ]


def test_two_cells_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match="both be called 'm'"):
        matrix.cells(Recipe(name="r", matrix={"student.model": ["a/m", "b/m"]}))


@pytest.mark.slow
def test_every_cell_runs_and_what_they_share_is_asked_once(faulty, empathic, tmp_path: Path) -> None:
    rows = [
        {"utterance": f"My boat {i} sank.", "replies": {"human": f"Boat {i} was old."}, "split": split}
        for i, split in enumerate(("test", *["train"] * 6))
    ]
    (tmp_path / "six.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = tmp_path / "all.yaml"
    matrix = {"method.name": ["direct", "human-improved", "llm-improved"], "strategy": list(IMPROVING)}
    server = faulty()
    asked = {"endpoint": server.url, "model": "m"}
    about = {"name": "all", "dialogues": {"source": "six.jsonl"}, "teacher": asked, "matrix": matrix}
    recipe.write_text(json.dumps(about), encoding="utf-8")
    for _ in range(2):
        done = empathic("run", recipe, "--out", tmp_path / "all", "--until", "corpus")
        assert done.returncode == 0, done.stderr
    cells = [row["cell"] for row in files.read_jsonl(tmp_path / "all" / "matrix.jsonl")]
    assert len(cells) == 15
    assert cells[0] == "direct"
    for cell in cells:
        assert (tmp_path / "all" / cell / "corpus" / "preferences.jsonl").read_text(encoding="utf-8")

    def direct_replies(cell: str) -> list[str]:
        rows = files.read_jsonl(tmp_path / "all" / cell / "teacher.jsonl")
        return [row["reply"] for row in rows if row["teacher"] == "direct"]

    direct, *others = (direct_replies(cell) for cell in cells if not cell.startswith("human"))
    assert others == [direct] * 7
    ledger = Ledger(tmp_path / "all" / "ledger.sqlite")
    answers = {row["purpose"]: row["answers"] for row in ledger.bill()}
    ledger.close()
    assert answers == {"teacher/direct": 6, "teacher/in-sequence": 36} | {
        f"teacher/{name}": 12 for name in IMPROVING if name != "in-sequence"
    }
    assert set(server.counts()["came"].values()) == {1}


SAID = (
    ("My train was cancelled and I missed the wedding.", "Bad luck."),
    ("The cat had five kittens in my shoe box!", "Cats do that."),
    ("I failed my driving test for the third time.", "Take the bus."),
    ("Our neighbour of thirty years moved away today.", "There will be another."),
    ("I start a new job on Monday and I can't sleep.", "I hate Mondays."),
)


_KINDER = "Someone says: {utterance}\nA reply: {reply}\nWrite a kinder reply in one short sentence, without quotes."
PROMPTS = {  # a small teacher does better with few words; ours are asked of the server that misbehaves
    "direct": "Someone says: {utterance}\nWrite a kind reply in one short sentence, without quotes.",
    "lacking-dimension": _KINDER.replace("Write", "Say which dimension of empathy it lacks. Then write"),
    "in-sequence": "\n---\n".join((_KINDER, "Write it warmer, in one short sentence.", "Once more, more helpful.")),
} | {name: _KINDER for name in IMPROVING if name not in ("lacking-dimension", "in-sequence")}


@pytest.mark.network
@pytest.mark.long
def test_smollm2_teaches_five_cells_and_one_of_them_goes_on_to_the_report(
    empathic, tiny: Path, tiny_gguf: Path, tmp_path: Path
) -> None:
    """Three dialogues to train on, a real teacher; the student and its judge are tiny."""
    rows = [
        {"utterance": said, "replies": {"human": reply}, "split": "test" if i < 2 else "train"}
        for i, (said, reply) in enumerate(SAID)
    ]
    (tmp_path / "three.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for name, text in PROMPTS.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    own = {name: f"{name}.txt" for name in PROMPTS}
    about = {
        "name": "all",
        "dialogues": {"source": "three.jsonl"},
        "teacher": {"endpoint": "local:smollm2-135m", "max_tokens": 48, "temperature": 0.7, "prompts": own},
        "student": {"model": str(tiny), "max_tokens": 8},
        "steps": [{"name": name, "epochs": 1, "batch_size": 4} for name in ("sft", "dpo")],
        "judge": [{"name": "tiny", "endpoint": f"local:{tiny_gguf}"}],
        "sample": {"controls": 2},
        "matrix": {
            "method.name": ["direct", "human-improved", "llm-improved"],
            "strategy": ["lacking-dimension", "in-sequence"],
        },
    }
    recipe = tmp_path / "all.yaml"
    recipe.write_text(json.dumps(about), encoding="utf-8")
    out = tmp_path / "all"
    done = empathic("run", recipe, "--out", out, "--until", "corpus")
    assert done.returncode == 0, done.stderr
    cells = [row["cell"] for row in files.read_jsonl(out / "matrix.jsonl")]
    assert len(cells) == 5
    for cell in cells:
        taught = list(files.read_jsonl(out / cell / "teacher.jsonl"))
        pairs = list(files.read_jsonl(out / cell / "corpus" / "preferences.jsonl"))
        assert len({row["id"] for row in taught}) >= 2, f"{cell}: a small teacher may fail once, not more"
        assert pairs and all(pair["chosen"] != pair["rejected"] for pair in pairs)
        if cell.endswith("lacking-dimension"):
            assert {row["dimension"] for row in taught if row["teacher"] == "improved"} <= set(DIMENSIONS)
        if cell.endswith("in-sequence"):
            assert all(len(row["turns"]) == 3 for row in taught if row["teacher"] == "improved")
    one = "matrix={method.name: [llm-improved], strategy: [lacking-dimension]}"
    done = empathic("run", recipe, "--out", out, "--set", one)
    assert done.returncode == 0, done.stderr
    cell = out / "llm-improved.lacking-dimension"
    figures = files.read_json(cell / "summary.json")
    assert figures["corpus"]["preferences"] >= 1
    improved = [row for row in files.read_jsonl(cell / "teacher.jsonl") if row["teacher"] == "improved"]
    assert sum(figures["teacher"]["dimensions"].values()) == len(improved) >= 2
    assert "<h1>" in (cell / "report.html").read_text(encoding="utf-8")
    bill = empathic("ledger", out).stdout
    assert "teacher/in-sequence" in bill and "behaviours" in bill
