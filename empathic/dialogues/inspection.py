"""What a file or data set holds, and which of its rows a run would use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from empathic.dialogues import formats, sources, table
from empathic.errors import UserError


@dataclass
class Inspection:
    """What was found.

    Attributes:
        what: format and encoding, in words.
        rows: how many there are, those that can't be used included.
        columns: the columns of the first row that have a name.
        mapped: field -> column, as they are read; those of the recipe and those that were told by their names.
        unread: the columns that nothing is read from.
        splits: dialogues by split, "" of those without.
        origins: dialogues by origin of a reply.
        lengths: of the utterances that can be used, in characters, sorted.
        stops: why a run stops, the first row of each kind in full.
        alike: how many rows there are of each kind, in the same order.
        examples: the place of the first row of what was dropped, by its name in the facts.
        facts: rows and replies dropped, dialogues cut to their first exchange, rows with mended characters.
    """

    what: str
    rows: int = 0
    columns: list[str] = field(default_factory=list)
    mapped: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    stops: dict[str, str] = field(default_factory=dict)
    alike: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    facts: Counter[str] = field(default_factory=Counter)

    def stop(self, kind: str, why: str) -> None:
        """Note what stops a run."""
        self.stops.setdefault(kind, why)
        self.alike[kind] += 1


def inspect(settings: sources.Settings) -> Inspection:
    """Read all rows of a source as a run does; one that stops a run is noted, and the rest is read on.

    Raises:
        UserError: a file that can't be read at all, has no column for the utterance, or no row that can be used.
    """
    paths = sources.files_of(settings)
    found = Inspection(", ".join(dict.fromkeys(map(_what, paths))) or "Hugging Face data set")
    reader = table.Reader(sources.columns_of(settings), found.facts)
    try:
        for place, row in _readable(sources.rows_of(settings), found):
            found.rows += 1
            if not found.columns:
                found.columns = [str(name) for name in row if str(name).strip()]
                read = table.needed(row, reader.columns)
                found.unread = [name for name in found.columns if name not in read]
            try:
                dialogue = reader.read(place, row)
            except table.RowError as error:
                found.stop(error.kind, str(error))
                continue
            if dialogue:
                found.splits[dialogue.split] += 1
                found.origins.update(dialogue.replies.keys())
                found.lengths.append(len(dialogue.utterance))
        if found.rows and not found.lengths and not found.stops:
            raise reader.none_usable()
    except table.ColumnError as error:
        raise UserError(error.inspected) from error
    found.mapped, found.examples = dict(reader.columns), dict(reader.examples)
    found.lengths.sort()
    return found


def _readable(rows: Iterator[tuple[str, table.Row]], found: Inspection) -> Iterator[tuple[str, table.Row]]:
    """The rows until one that breaks the file, which stops a run, and after which nothing can be read."""
    try:
        yield from rows
    except UserError as error:
        if not found.rows:
            raise
        found.stop(str(error), str(error))


def _what(path: Path) -> str:
    form = formats.format_of(path)
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    parts = [form.kind, form.encoding.upper().replace("-SIG", " with a BOM")]
    if form.dialect and form.dialect.delimiter in names:
        quotes = {"none": ", quotes are characters", "backslash": ", quotes after a backslash"}
        parts.append(f"parted by {names[form.dialect.delimiter]}{quotes.get(form.dialect.quotes, '')}")
    return ", ".join(part for part in parts if part)
