"""A builder's own lines, words and help lines."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from empathic.errors import UserError
from empathic.safety import replies, settings, spec
from empathic.safety.gate import Gate
from empathic.safety.replies import NAMES

CRISIS = [{"role": "user", "content": "I'm going to kill myself tonight."}]


def own(tmp_path: Path, text: str) -> settings.Settings:
    path = tmp_path / "safety.yaml"
    path.write_text(text, encoding="utf-8")
    return settings.read(path)


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    found = own(tmp_path, "")
    assert found.tables(spec.read()) == spec.read()
    assert found.words().texts == replies.package().texts


def test_texts_and_help_lines_take_the_place_of_the_packages(tmp_path: Path) -> None:
    found = own(
        tmp_path,
        "replies: {en: {crisis.self: 'Please call {emergency}. {lines}', disclosure: This is Bo.}}\n"
        "helplines:\n  nz: {emergency: '111', lines: [{name: Our line, call: 0800 1}]}\n"
        "  XK: {emergency: '192', lines: []}\n",
    )
    gate = Gate.load(settings=found)
    assert str(gate.check(CRISIS, "NZ").reply).startswith("Please call 111. Our line (call 0800 1); ")
    assert str(gate.check(CRISIS, "XK").reply).startswith("Please call 192. findahelpline")
    assert "116 123" in str(gate.check(CRISIS, "GB").reply)
    assert gate.words.disclosure() == "This is Bo."
    assert "This is Bo." not in replies.package().disclosure()


def test_a_new_language_needs_every_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"safety\.yaml: replies\.nl: lacks call, crisis\.abuse"):
        own(tmp_path, "replies: {nl: {disclosure: Dit is software.}}")
    whole = json.dumps({"replies": {"nl": dict.fromkeys(NAMES, "Bel {emergency}.")}})
    assert own(tmp_path, whole).words().fixed("crisis.self", "nl", "NL").startswith("Bel 112")


def test_lower_lines_stop_more(tmp_path: Path) -> None:
    careful = Gate.load(settings=own(tmp_path, "limits: {crisis: -3, ask: -4, concern: -5}"))
    said = [{"role": "user", "content": "nothing i do ever matters and nobody would notice"}]
    assert careful.check(said).label == "crisis"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("limits: {crisis: -9}", "limits: want concern, ask and crisis in this order, the lowest first; they are"),
        ("limits: {crysis: 1}", "limits.crysis: extra inputs are not permitted"),
        ("replies: {en: {crisis.me: x}}", "replies.en: no text is called crisis.me; known: disclosure"),
        ("helplines: {NZ: {emergency: 111}}", "helplines.NZ: want an emergency number and lines"),
        ("guard: {model: x}", "guard.endpoint: field required"),
        ("guard: {endpoint: x, seconds: 0}", "guard.seconds: input should be greater than 0"),
        ("- a\n- b", "input should be a valid dictionary"),
        ("a: [", "can't be read"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UserError, match=re.escape(why)) as caught:
        own(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be read"):
        settings.read(tmp_path / "none.yaml")
