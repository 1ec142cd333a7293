"""An export that is there: found again, made to reply, and ranked by what readers said of its replies."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from empathic import files
from empathic.endpoints.open import open_endpoint
from empathic.phone import card, modelfile
from empathic.phone.recommend import recommend
from empathic.run import Display, Run, exports
from empathic.run.artefacts import Export, SentRow
from empathic.student import replies


def find(
    run: Run, folder: Path, system: str | None, quants: Sequence[str] | None = None, whole: bool = False
) -> Export | None:
    """The export in a folder, if it is what would be made: the student's as it is now, with its files.

    Args:
        run: the run.
        folder: where to look.
        system: whose files; None is any system's.
        quants: which have to be among them; None is any.
        whole: whether files that are below their bars have to be among them.

    Raises:
        UserError: another version wrote it.
    """
    if not exports.is_export(folder):
        return None
    found = exports.read(folder)
    written = [row.file for row in found.rows if row.file]
    is_it = (
        system in (None, found.system)
        and found.adapter is not None  # of the base nothing says whether it is the same still
        and found.adapter == run.adapter_hash(found.system)
        and {*(quants or ())} <= {row.quant for row in found.rows}
        and not (whole and len(written) < len(found.rows))
        and all((folder / file).exists() for file in written)
    )
    return found if is_it else None


def keep(run: Run, folder: Path, found: Export) -> None:
    """Write what is known of an export, to its folder and to the run."""
    for path in (folder / exports.FILE, run.export_file):
        files.write_json(path, found.model_dump(mode="json"))


def reply(run: Run, folder: Path, found: Export, n: int, display: Display) -> None:
    """Have every file reply greedily to the first `n` test dialogues, one request at a time.

    What was answered under the same settings is in the run's ledger, so that a stopped pass goes on from there.

    Raises:
        UserError: llama.cpp can't load a file, or a message is too long for it.
    """
    every = run.dialogues("test")
    settings = run.student.model_copy(update={"temperature": 0.0})
    with run.ledger() as ledger:
        for row in found.rows:
            if not row.file:
                continue
            gguf, path, started = folder / row.file, exports.replies(folder, row.file), time.monotonic()
            stage = row.file.removeprefix(f"{found.system}-").removesuffix(".gguf")
            display.begin(stage)
            before = sum(1 for _ in files.read_jsonl(path)) if path.exists() else 0
            tests = every[: max(n, before)]
            advance = _counting(display, len(tests))
            with open_endpoint(f"local:{gguf}") as endpoint:
                replies.write(path, endpoint, str(gguf), tests, settings, ledger, "export", advance)
            row.replies = len(tests)
            display.end(stage, f"{row.replies} replies", time.monotonic() - started, False)
            keep(run, folder, found)


def _counting(display: Display, total: int) -> Callable[[], None]:
    """What to call once for each reply."""
    done = itertools.count(1)
    return lambda: display.step(next(done), total)


def rank(run: Run, folder: Path, found: Export, read: Mapping[str, SentRow]) -> None:
    """Take in what readers said of each file, and have the rows, model card and Modelfile name what is to ship."""
    for row in found.rows:
        row.sendable = read.get(row.file or "")
    best, found.rule = recommend(found.rows)
    found.recommended = best.file if best else None
    named = folder / "Modelfile"
    if named.exists():
        files.write_text(named, modelfile.of_file(named.read_text(encoding="utf-8"), found.named))
    files.write_text(folder / "README.md", card.card(run, found))
    keep(run, folder, found)
