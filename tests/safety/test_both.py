"""The gate in Python and in JavaScript: the same texts, the same scores and words."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from empathic.safety import gate as in_python
from empathic.safety import replies, spec, texts
from empathic.safety.gate import Gate

ROOT = Path(__file__).parents[2]
DATA = ROOT / "empathic" / "data" / "safety"
HARD = [
    "",
    " ",
    "\ud800 alone \udfff",
    "\U0001f600\U0001f62d\U0001f52a",
    "\u202egnihtyreve dne\u202c",
    "k\u200bi\u200bl\u200bl m\u0443s\u0435lf",
    "K.I.L.L  M Y S E L F",
    "i w a n t t o d i e",
    "1 w4nt t0 d1e!!",
    "\U0001d4f2 \U0001d500\U0001d4ea\U0001d4f7\U0001d4fd \U0001d4fd\U0001d4f8 \U0001d4ed\U0001d4f2\U0001d4ee",
    "\U0001f1f0\U0001f1ee\U0001f1f1\U0001f1f1",
    "diiiiieeee",
    "Ich m\u00f6chte nicht mehr leben\u2026 wirklich?",
    "\u6b7b\u306b\u305f\u3044",
    "\u0130stanbul\u0307 \u03a3\u03a3",
    "a\u0301" * 50,
    "\ufdfa \u00bd \u2167 \u1e9e",
    "3am 40mins $uicide @ work + b4 m8",
    "line\nbreaks\r\nand\ttabs. Ends?",
    "x" * 1_000_000,
    "word " * 3_000 + "i want to die " + "word " * 3_000,
    "so \U00020bb7 bye",
    "k     " * 40 + "z",
    "\U0001f600" * 9_000,
]

SMALL = {
    "hi": "hello",
    "Hey, how are you?": "hello",
    "thx": "thanks",
    "see you later": "bye",
    "good night": "night",
    "r u human": "human",
    "Who made you?": "maker",
    "do u sleep": "feelings",
    "what's your name?": "name",
}


def in_javascript(asked: list[dict[str, Any]], *damage: str) -> list[dict[str, Any]]:
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not here, and gate.js runs in nothing else of ours")
    code = ROOT / "empathic" / "safety" / "gate.js"
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    command = [node, str(ROOT / "tests" / "safety" / "score.mjs"), str(code), str(DATA), *damage]
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=True, timeout=300)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def alike(conversations: list[list[str]]) -> None:
    gate = Gate.load()
    asked = [
        {"messages": [{"role": "user", "content": turn} for turn in turns], "country": "DE"} for turns in conversations
    ]
    for one, theirs in zip(asked, in_javascript(asked)[1:], strict=True):
        ours = asdict(gate.check(one["messages"], "DE"))  # type: ignore[arg-type]
        read = gate.read(one["messages"][-1]["content"])  # type: ignore[index]
        assert theirs.pop("plain") == read.plain
        assert theirs.pop("logits") == pytest.approx(read.logits, abs=1e-6)
        assert theirs.pop("score") == pytest.approx(ours.pop("score"), abs=1e-6)
        assert theirs == ours, one


def test_hard_input_reads_alike() -> None:
    alike([[text] for text in HARD])


def test_small_talk_reads_alike() -> None:
    assert {text: Gate.load().read(text).small for text in SMALL} == SMALL
    before: tuple[list[str], ...] = (
        [],
        ["I want to die"],
        ["we had pizza"],
        ["I feel so empty"],
        ["nobody would notice if i was gone"],
    )
    alike([[*turns, text] for text in SMALL for turns in before])


@pytest.mark.slow
def test_conversations_read_alike() -> None:
    alike([list(text.turns) for text in texts.read(DATA / "scripts.jsonl")])


def test_hundreds_of_messages_read_alike() -> None:
    alike([list(text.turns) for path in sorted(DATA.glob("train-*.jsonl")) for text in texts.read(path)[::60]])


@pytest.mark.long
@pytest.mark.slow
def test_ten_thousand_messages_read_alike() -> None:
    labelled = [list(text.turns) for path in sorted(DATA.glob("train-*.jsonl")) for text in texts.read(path)]
    everyday = [list(text.turns) for text in texts.everyday(ROOT / "empathic" / "data" / "everyday", "train")]
    many = labelled + everyday + [[f"{a[0]} {b[0]}"] for a, b in zip(labelled, reversed(everyday), strict=False)]
    assert len(many) > 10_000
    alike(many)


def test_replies_are_checked_alike() -> None:
    gate = Gate.load()
    said = [
        "I feel sad too.",
        "That sounds hard. Who is with you?",
        "I am a real person.",
        "Don't tell your doctor.",
        "",
    ]
    theirs = in_javascript([{"answer": text, "country": "GB"} for text in said])[1:]
    assert theirs == [asdict(gate.check_reply(text, "GB")) for text in said]


def test_a_damaged_file_closes_both(tmp_path: Path) -> None:
    text = (DATA / "gate.json").read_text(encoding="utf-8")
    (tmp_path / "gate.json").write_text(text[:-50] + text[-49:], encoding="utf-8")
    gate = Gate.load(tmp_path / "gate.json")
    messages = [{"role": "user", "content": "hello"}]
    words, theirs = in_javascript([{"messages": messages}], "damaged")
    assert gate.closed and asdict(gate.check(messages)) == theirs
    disclosed = [replies.package().disclosure(language) for language in ("en", "de", "xx")]
    assert words == {"CLOSED": in_python.CLOSED, "disclosure": disclosed}


def test_the_file_is_small() -> None:
    assert (DATA / "gate.json").stat().st_size < 300_000
    assert spec.read()["format"] == spec.FORMAT
