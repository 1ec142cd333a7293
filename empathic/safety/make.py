"""One command's work: the package's texts in, `gate.json` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from empathic.dialogues import sources
from empathic.safety import spec, texts, train


def make(out: Path, more: Sequence[Path], log: Callable[[str], None]) -> int:
    """Train the gate, write its file, and return how many bytes it has.

    Args:
        out: the file to write.
        more: files of labelled messages beside the package's.
        log: told of each step.

    Raises:
        UserError: a file can't be read or written.
    """
    with resources.as_file(spec.FOLDER) as folder:
        learned = [text for path in sorted(folder.glob("train-*.jsonl")) for text in texts.read(path)]
        scripts, unseen = texts.read(folder / "scripts.jsonl"), texts.read(folder / "quiet.jsonl")
    learned += [text for path in more for text in texts.read(path)]
    with resources.as_file(resources.files("empathic") / "data" / "everyday") as folder:
        harmless = list(texts.everyday(folder, "train"))
        unseen += texts.everyday(folder, "validation")
    talks = sources.data_folder() / sources.EMPATHETIC[0]
    if talks.exists():
        harmless += texts.empathetic(talks, ["train"])
        unseen += texts.empathetic(talks, ["valid"])
    else:
        log(f"{talks} isn't here: the lines are drawn on the package's messages alone")
    made = train.build(learned, harmless, unseen, scripts, log)
    spec.write(out, made)
    return out.stat().st_size
