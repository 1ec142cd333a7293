"""A gate whose files are damaged answers nobody, and whoever runs it is told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from empathic.cli import guarding
from empathic.errors import UserError
from empathic.safety import replies, settings, spec
from empathic.safety.gate import CLOSED, Gate
from empathic.web import site
from empathic.web.student import Student

BROKEN = [
    '{"en": {"disclosure": "x"}}',
    '{"countries": []}',
    '{"countries": {"GB": {"emergency": "999", "lines": [{}]}}}',
    '{"countries": {"GB": {"emergency": "999", "lines": null}}}',
    '{"countries": {"GB": {"emergency": 999, "lines": []}}}',
    '{"countries": {"GB": {"emergency": "999", "lines": [{"name": "Samaritans"}]}}}',
    "",
    "{}",
    "[]",
    "{",
    '{"en": {}}',
    '{"countries": {"GB": {}}}',
    "\ud800",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The gate's files, where they can be damaged."""
    copy = tmp_path / "safety"
    copy.mkdir()
    for name in ("gate.json", "replies.json", "helplines.json"):
        shutil.copy(str(spec.FOLDER / name), copy / name)
    for module in (spec, replies):
        monkeypatch.setattr(module, "FOLDER", copy)
    replies.package.cache_clear()
    yield copy
    replies.package.cache_clear()


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("name", ["replies.json", "helplines.json"])
def test_replies_and_help_lines_that_are_none_close_it(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    gate = Gate.load()
    assert gate.closed
    assert gate.check([{"role": "user", "content": "My boat sank."}]).reply == CLOSED
    with pytest.raises(UserError, match=f"{name}: damaged, .* install the package anew"):
        replies.package()


def test_a_closed_gate_is_told_to_whoever_runs_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarding._guard("GB", False, None, None) is not None
    assert capsys.readouterr().err == ""
    (folder / "gate.json").write_text("{}")
    assert guarding._guard("GB", False, None, None) is not None
    assert "the safety gate is damaged: nobody is answered" in capsys.readouterr().err


def test_it_stays_closed_whatever_a_builder_sets(folder: Path, tmp_path: Path) -> None:
    (folder / "gate.json").write_text("{}")
    own = tmp_path / "safety.yaml"
    own.write_text("limits: {crisis: 5}")
    assert Gate.load(settings=settings.read(own)).closed


def test_no_page_is_made_of_it(folder: Path, tiny_gguf: Path, tmp_path: Path) -> None:
    (folder / "gate.json").write_text("{}")
    student = Student("tiny", tiny_gguf, None, 512, None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="the safety gate is damaged"):
        site.build(student, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_the_package_has_them_whole() -> None:
    assert not Gate.load().closed
