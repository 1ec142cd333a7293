"""What a file or data set holds, and which of its rows a run would use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from empathic.dialogues import formats, sources, table
from empathic.errors import UserError
from empathic.recipe import steps


@dataclass
class Inspection:
    """What was found.

    Attributes:
        what: format and encoding, in words.
        rows: how many there are, those that can't be used included.
        columns: the columns of the first row.
        mapped: field -> column, as they are read; those of the recipe and those that were told by their names.
        splits: dialogues by split, "" of those without.
        origins: dialogues by origin of a reply.
        lengths: of the utterances that can be used, in characters, sorted.
        unused: rows that can't be used, by reason.
        examples: the place of the first row of each reason.
        facts: duplicates dropped, dialogues cut to their first exchange, rows with mended characters.
    """

    what: str
    rows: int = 0
    columns: list[str] = field(default_factory=list)
    mapped: dict[str, str] = field(default_factory=dict)
    splits: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    facts: Counter[str] = field(default_factory=Counter)

    def recipe(self, source: str) -> dict[str, Any]:
        """The recipe's lines to use it: its dialogues, and a method where its replies leave no doubt which.

        Args:
            source: as the recipe would name it.
        """
        dialogues: dict[str, Any] = {"source": source}
        dialogues["split"] = "source" if self.splits["train"] and self.splits["test"] else "random"
        lines: dict[str, Any] = {"dialogues": dialogues}
        origins = [origin for origin, _ in self.origins.most_common()]
        if {"chosen", "rejected"} <= set(origins):
            lines["method"] = {"name": "direct", "teachers": ["chosen"], "rejected": ["rejected"]}
        elif len(origins) == 1:
            lines["method"] = {"name": "direct", "teachers": origins}
            lines["steps"] = [{"name": steps.DEFAULT[0].name}]
        return lines


def inspect(settings: sources.Settings) -> Inspection:
    """Read all rows of a source; one that can't be used is counted, not refused.

    Raises:
        UserError: a file that can't be read at all, or has no column for the utterance.
    """
    paths = sources.files_of(settings)
    found = Inspection(", ".join(dict.fromkeys(_what(path) for path in paths)) or "Hugging Face data set")
    reader = table.Reader(settings.columns, found.facts)
    rows = _readable(sources.rows_of(settings), found)
    for place, row in rows:
        found.rows += 1
        found.columns = found.columns or [str(name) for name in row]
        try:
            dialogue = reader.read(place, row)
        except UserError as error:
            if not reader.begun:
                raise
            why = str(error).removeprefix(f"{place}: ")
            why = why.partition(";")[0] if len(why) < 100 else why[:100]
            found.unused[why] += 1
            found.examples.setdefault(why, place)
            continue
        if dialogue:
            found.splits[dialogue.split] += 1
            found.origins.update(dialogue.replies.keys())
            found.lengths.append(len(dialogue.utterance))
    found.mapped = dict(reader.columns)
    found.lengths.sort()
    return found


def _readable(rows: Iterator[tuple[str, table.Row]], found: Inspection) -> Iterator[tuple[str, table.Row]]:
    """The rows until one that breaks the file, which is told as a reason."""
    try:
        yield from rows
    except UserError as error:
        if not found.rows:
            raise
        found.unused[f"{error}; nothing after it can be read"] += 1


def _what(path: Path) -> str:
    form = formats.format_of(path)
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    parts = [form.kind, form.encoding.upper().replace("-SIG", " with a BOM")]
    if form.kind == "CSV" and form.delimiter in names:
        quotes = {"none": ", quotes are characters", "backslash": ", quotes after a backslash"}.get(form.quotes, "")
        parts.append(f"parted by {names[form.delimiter]}{quotes}")
    return ", ".join(part for part in parts if part)
