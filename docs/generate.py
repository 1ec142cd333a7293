"""Write the generated parts of the docs: commands, keys of a recipe, the picture of imports, laws, speed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import typer.main
from click import Context
from pydantic import BaseModel

from empathic.cli import main
from empathic.recipe import Recipe
from empathic.recipe.steps import DEFAULT, KINDS
from empathic.safety import compliance, protocol

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import gate_table  # noqa: E402  beside this file
import imports  # noqa: E402
import phone_table  # noqa: E402


def commands() -> str:
    """Every command's help, as the terminal shows it at 88 columns."""
    group: Any = typer.main.get_command(main.app)
    parts = ["# Commands\n\nWritten by `make docs` from the code.\n"]
    for name, command in sorted(_leaves(group, "empathic")):
        context = Context(command, info_name=name, terminal_width=88, max_content_width=88)
        parts.append(f"## {name}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def _leaves(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its whole name."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def recipe() -> str:
    """Every key of a recipe with its default."""
    lines = [
        "# Keys of a recipe",
        "",
        "Written by `make docs` from the code.",
        "",
        "| key | default | what |",
        "|---|---|---|",
    ]
    for name, field in Recipe.model_fields.items():
        if name == "steps":
            lines += _steps(field)
            continue
        section = next((t for t in (field.annotation, *get_args(field.annotation)) if _is_section(t)), None)
        if section is None:
            lines.append(f"| `{name}` | `{_default(field)}` | {field.description or ''} |")
            continue
        for key, inner in section.model_fields.items():
            what = (inner.description or "").replace("|", "\\|")
            lines.append(f"| `{name}.{key}` | `{_default(inner)}` | {what} |")
    return "\n".join(lines) + "\n"


def _steps(field: Any) -> Iterator[str]:
    """Every key of each kind of step, under the name that a step of the kind has by default."""
    default = ", ".join(f"{{name: {step.name}}}" for step in DEFAULT)
    yield f"| `steps` | `[{default}]` | {field.description} |"
    for kind, section in KINDS.items():
        for key, inner in section.model_fields.items():
            default = kind if key in ("name", "kind") else _default(inner)
            what = (inner.description or "").replace("|", "\\|")
            yield f"| `steps.{kind}.{key}` | `{default}` | {what} |"


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _default(field: Any) -> str:
    return "needed" if field.is_required() else str(field.default)


def architecture() -> str:
    """The page as it is written by hand, with the picture of today's imports."""
    page = (HERE / "architecture.md").read_text(encoding="utf-8")
    return re.sub(r"(<!-- picture -->\n).*?(<!-- /picture -->)", rf"\1{imports.picture()}\n\2", page, flags=re.DOTALL)


def safety() -> str:
    """The page as it is written by hand, with the tables of what the gate catches and of what laws ask for, speed."""
    asked = protocol.table([*compliance.presets().values()])
    text = f"{asked}\n\nNot done by any preset: {'; '.join(compliance.table()['uncovered'])}."
    return _filled("safety.md", {"compliance": text, "gate": gate_table.table()})


def phone() -> str:
    """The page as it is written by hand, with the tables of what `make bench-phone` measured."""
    return _filled("phone.md", {"native": phone_table.native(), "browser": phone_table.in_browser()})


def _filled(name: str, parts: Mapping[str, str]) -> str:
    """A page with each part between its marks."""
    page = (HERE / name).read_text(encoding="utf-8")
    for mark, part in parts.items():
        between = f"(?<=<!-- {mark} -->\n).*?(?=<!-- /{mark} -->)"
        page = re.sub(between, lambda _, part=part: f"{part}\n", page, flags=re.DOTALL)  # type: ignore[misc]
    return page


def pages() -> dict[str, str]:
    """File name -> text."""
    return {
        "commands.md": commands(),
        "recipe.md": recipe(),
        "architecture.md": architecture(),
        "safety.md": safety(),
        "phone.md": phone(),
        "phone.svg": phone_table.picture(),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
