"""What the student is told before it hears a person, the same in training, evaluation and the exported file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from empathic import files
from empathic.errors import UserError

Message = dict[str, str]
OURS = ("brief", "full")  # instructions that have a name
_HERE = resources.files("empathic.student")


def instruction(prompt: str, key: str = "student.prompt") -> str:
    """The instruction that a key of a recipe, such as `student.prompt`, names: `brief`, `full`, or a file's text.

    Raises:
        UserError: neither one of ours nor a readable file.
    """
    if prompt in OURS:
        return (_HERE / "prompts" / f"{prompt}.txt").read_text(encoding="utf-8").strip()
    return _text(prompt, key, ", ".join(OURS))


def template(name: str) -> str:
    """The chat template that a recipe's `student.template` names: `plain`, or a file's text.

    Raises:
        UserError: neither ours nor a readable file.
    """
    if name == "plain":
        return (_HERE / "templates" / "plain.jinja").read_text(encoding="utf-8").strip()
    return _text(name, "student.template", "plain")


def template_key(name: str) -> str:
    """What tells one `student.template` from another: a name of ours, or the hash of a file's text."""
    return name if name == "plain" else files.digest(template(name))


def _text(path: str, key: str, ours: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{key}: {path} can't be read as UTF-8; want {ours}, or a text file") from error
    if not text:
        raise UserError(f"{key}: {path} is empty")
    return text


def messages(system_prompt: str, utterance: str) -> list[Message]:
    """The messages that ask the student, once told `system_prompt`, for its reply to `utterance`."""
    return [{"role": "system", "content": system_prompt}, {"role": "user", "content": utterance}]


def with_emotion(system_prompt: str, emotion: str) -> str:
    """The instruction of one who is also told what the person feels; where that isn't known, the instruction."""
    return f"{system_prompt}\n\nWhat this person feels: {emotion}" if emotion.strip() else system_prompt


def with_system_prompt(row: dict[str, Any], system_prompt: str) -> dict[str, Any]:
    """A corpus row with the instruction in front of its prompt."""
    return {**row, "prompt": [{"role": "system", "content": system_prompt}, *row["prompt"]]}
