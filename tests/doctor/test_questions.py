"""The numbers of the doctor's questions that the docs give."""

from __future__ import annotations

from pathlib import Path

from empathic.doctor.questions import of_roles

DOCS = Path(__file__).parents[2] / "docs"


def test_the_docs_say_how_many_questions_are_asked() -> None:
    teacher, judge, both = (len(of_roles(*roles)) for roles in ((True, False), (False, True), (True, True)))
    said = f"It asks a teacher {teacher} short questions, a judge {judge}, and {both} in all where it is both"
    assert said in (DOCS / "teacher.md").read_text(encoding="utf-8")
