"""The gate's one data file, `gate.json`: tables, patterns, weights and thresholds, with a checksum of itself."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from empathic import files
from empathic.safety.normalise import Normaliser

FORMAT = 4
_START = re.compile(r'^\{"crc32": "([0-9a-f]{8})", ')
FOLDER = resources.files("empathic") / "data" / "safety"


class Damaged(ValueError):
    """A specification that isn't what was written: the gate then stays closed."""


def dump(spec: Mapping[str, Any]) -> str:
    """A specification as the text of its file; the checksum is of all that follows it."""
    rest = json.dumps(spec, ensure_ascii=False, separators=(",", ":"))[1:] + "\n"
    return f'{{"crc32": "{zlib.crc32(rest.encode()):08x}", {rest}'


def parse(text: str) -> dict[str, Any]:
    """The specification that a file's text holds.

    Raises:
        Damaged: it isn't JSON, its checksum is another, or it is of another format.
    """
    start = _START.match(text)
    if not start or zlib.crc32(text[start.end() :].encode(errors="replace")) != int(start[1], 16):
        raise Damaged("the gate's file is damaged: its checksum is another")
    spec: dict[str, Any] = json.loads(text)
    if spec.get("format") != FORMAT:
        raise Damaged(f"the gate's file is of format {spec.get('format')}, not {FORMAT}")
    return spec


def read(path: Path | None = None) -> dict[str, Any]:
    """The specification in a file; default: the package's.

    Raises:
        Damaged: there is none, or it can't be trusted.
    """
    try:
        return parse((path or FOLDER / "gate.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged(f"the gate's file can't be read: {error}") from error


def write(path: Path, spec: Mapping[str, Any]) -> None:
    """Write a specification, whole or not at all."""
    files.write_text(path, dump(spec))


def rules() -> dict[str, Any]:
    """The hand-written half, as `rules.yaml` has it."""
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))
    return loaded


def normal(rules: Mapping[str, Any], vocabulary: list[str]) -> dict[str, Any]:
    """The tables of `Normaliser`.

    Args:
        rules: the hand-written half.
        vocabulary: words that joined letters are parted into.
    """
    characters = {character: letter for characters, letter in rules["letters"].items() for character in characters}
    characters |= rules["words"]
    characters |= {emoji: f" {word} " for emoji, word in rules["emoji"].items()}
    characters |= dict.fromkeys(rules["apostrophes"], "")
    characters |= {stop: "?" if stop in "\uff1f\u061f" else "." for stop in rules["stops"] if not stop.isascii()}
    characters |= {"\n": " . ", "\r": " ", "\t": " "}
    for first in (0x1F1E6, 0x1F150, 0x1F170):  # regional and negative letters
        characters |= {chr(first + n): chr(ord("a") + n) for n in range(26)}
    keys = ("head", "tail", "strip", "symbols", "leet")
    return {"characters": characters, **{key: rules[key] for key in keys}, "vocabulary": vocabulary}


def patterns(rules: Mapping[str, Any], normalise: Normaliser) -> dict[str, Any]:
    """The tables of `Patterns`: fragments put in, lists joined."""

    def whole(pattern: str) -> str:
        for name, fragment in rules["fragments"].items():
            pattern = pattern.replace(f"<{name}>", fragment)
        return pattern

    joined = {
        name: "|".join(f"(?:{whole(one)})" for one in rules[name])
        for name in ("idioms", "negated", "past", "now", "squashed")
    }
    listed = [[kind, alone, whole(pattern)] for _, kind, alone, pattern in rules["patterns"]]  # names are for people
    foreign = [normalise(phrase).replace(" ", "") for phrase in rules["foreign"]]
    reply = [[name, whole(pattern)] for name, pattern in rules["reply"]]
    begins, ends = f"(?:(?:{rules['small_before']}) (?:[.?] )*)*", f"(?: (?:[.?]|{rules['small_after']}))*"
    kept = {name: rules[name] for name in ("affirms", "young", "small")}
    return {
        **joined,
        **kept,
        "around_small": [f"^{begins}(?:", f"){ends}$"],
        "foreign": foreign,
        "reply": reply,
        "list": listed,
    }
