"""What a student can't read whole is named, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from empathic.errors import UserError
from empathic.recipe import Student
from empathic.student import lengths


@pytest.fixture
def student(tiny: Path) -> Student:
    return Student(model=str(tiny), max_tokens=100)


def test_what_fits_passes_though_it_has_more_bytes_than_the_context_tokens(student: Student) -> None:
    said = "so sad " * 800
    assert len(said) > 2048
    lengths.check(student, [("a", said, "I see.")], [("b", said)])


def test_4800_chinese_characters_are_named_by_their_row(student: Student) -> None:
    said = "我的狗死了。" * 800
    with pytest.raises(UserError, match=r"the test message 'long' has \d+ tokens .* more than the 2048"):
        lengths.check(student, [("a", "Hello", "")], [("short", "Hello"), ("long", said)])
    with pytest.raises(UserError, match=r"the train message 'long' has \d+ tokens .*context holds 2048"):
        lengths.check(student, [("a", "Hello", ""), ("long", said, "")], [])


def test_the_reply_counts_in_training_and_the_room_for_one_in_the_file(student: Student) -> None:
    said = "so sad " * 950
    lengths.check(student, [("a", said, "")], [])
    with pytest.raises(UserError, match="instruction and reply"):
        lengths.check(student, [("a", said, said)], [])
    with pytest.raises(UserError, match=r"a reply of 1000 \(student.max_tokens\)"):
        lengths.check(student.model_copy(update={"max_tokens": 1000}), [], [("a", said)])


def test_a_known_model_that_is_not_here_is_not_fetched_to_find_out() -> None:
    lengths.check(Student(), [("a", "so sad " * 9000, "")], [("a", "so sad " * 9000)], fetch=False)
