"""Who can teach by logits, and one line for everybody who can't, before any training."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from distilling import recipe_of

from empathic import files
from empathic.errors import UserError
from empathic.pipeline.checks import check_files
from empathic.student import distil_teacher, lengths
from empathic.student.load import load_tokenizer


def _found(student: Path, teacher: Path | str, *changes: str) -> distil_teacher.Teacher:
    recipe = recipe_of(student, teacher, *changes)
    check_files(recipe)
    return distil_teacher.find(recipe.distillations[0], recipe)


def test_a_folder_and_a_known_model_teach_under_the_students_template(tiny: Path, larger: Path) -> None:
    assert _found(tiny, larger) == distil_teacher.Teacher(str(larger), None, None)
    assert _found(tiny, "smollm2-135m", "student.template=plain").template == "plain"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("steps.distil.teacher=nowhere", "steps.distil.teacher: nowhere: no such model, folder or run"),
        ("steps.distil.teacher=smollm2-135n", "did you mean 'smollm2-135m'"),
        ("steps.distil.teacher=no.gguf", r"no\.gguf: no such file"),
        ("steps.distil.teacher_step=sft", r"steps\.distil\.teacher_step: .* is no run's folder"),
        ("steps.distil.teacher_prompt=none.txt", r"steps\.distil\.teacher_prompt: none.txt can't be read"),
    ],
)
def test_a_teacher_that_is_not_there_is_refused(tiny: Path, larger: Path, change: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        _found(tiny, larger, change)


def test_a_folder_that_holds_no_model_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no model, adapter or run"):
        _found(tiny, tmp_path)


def test_what_is_spelled_as_a_hub_id_is_refused_once_its_tokens_are_wanted(tiny: Path) -> None:
    recipe = recipe_of(tiny, "runs/nowhere")
    check_files(recipe)
    with pytest.raises(UserError, match=r"steps\.distil\.teacher: runs/nowhere can't be loaded"):
        distil_teacher.check_tokens(recipe)


def test_an_adapter_teaches_on_its_own_base(tiny: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    files.write_json(adapter / "adapter_config.json", {"base_model_name_or_path": str(tiny)})
    assert _found(tiny, adapter) == distil_teacher.Teacher(str(tiny), None, adapter)
    files.write_json(adapter / "adapter_config.json", {"base_model_name_or_path": "gone"})
    with pytest.raises(UserError, match=r"the base of .*adapter: gone: no such model"):
        _found(tiny, adapter)


def test_an_adapter_that_cannot_teach_is_told_of_under_its_own_key(tiny: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for about, why in (({}, "names no base"), ({"task_type": "SEQ_CLS"}, "is an adapter for SEQ_CLS")):
        files.write_json(adapter / "adapter_config.json", about)
        with pytest.raises(UserError, match=rf"^steps\.distil\.teacher: .*{why}"):
            _found(tiny, adapter)


def test_what_a_teacher_cannot_read_whole_is_refused_before_the_student_is_sampled(
    tiny: Path, larger: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tiny, larger, "student.max_tokens=100")
    said = "so sad " * 200
    lengths.check(recipe.student, [("a", said, "")], [])
    lengths.check_teachers(recipe, [("a", "so sad", "sad")])
    lengths.check_teachers(recipe, [("a", said, "sad")])
    with pytest.raises(UserError, match=r"^steps\.distil\.teacher_prompt: the train message 'b' has .* than the 1024"):
        lengths.check_teachers(recipe, [("a", "so sad", "sad"), ("b", "so sad " * 500, "sad")])
    (tmp_path / "told.txt").write_text("Be kind. " * 400, encoding="utf-8")
    with pytest.raises(UserError, match=r"^steps\.distil\.teacher_prompt: the train message 'a' has"):
        lengths.check_teachers(
            recipe_of(tiny, larger, f"steps.distil.teacher_prompt={tmp_path / 'told.txt'}"), [("a", "so sad", "sad")]
        )


def test_a_teacher_with_other_tokens_is_refused(tiny: Path, larger: Path, tmp_path: Path) -> None:
    distil_teacher.check_tokens(recipe_of(tiny, larger))
    other = tmp_path / "other"
    shutil.copytree(larger, other)
    tokenizer = load_tokenizer(str(larger))[0]
    tokenizer.add_tokens(["[PAD49000]", "zounds"])
    tokenizer.save_pretrained(other)
    with pytest.raises(UserError, match=r"1 of \d+ differ, such as number \d+: 'zounds' and the student's 'none'"):
        distil_teacher.check_tokens(recipe_of(tiny, other))


def test_a_teacher_that_ends_a_reply_otherwise_is_refused(tiny: Path, larger: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(larger, other)
    template = (other / "chat_template.jinja").read_text("utf-8")
    assert "<|im_end|>" in template
    (other / "chat_template.jinja").write_text(template.replace("<|im_end|>", "<|endoftext|>"), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"writes a reply as 'Yes<\|endoftext\|>.*' and the student as 'Yes<\|im_end\|>'"
    ):
        distil_teacher.check_tokens(recipe_of(tiny, other))
