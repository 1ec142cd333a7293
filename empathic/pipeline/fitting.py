"""That all fits that a run's student will read, looked at before a teacher is asked and before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator

from empathic import files
from empathic.recipe.steps import PARTS
from empathic.run import Run
from empathic.student import lengths


def check_lengths(run: Run) -> None:
    """Refuse the first message or example that the student, or a step's teacher, can't read whole.

    Raises:
        UserError: names it.
    """
    lengths.check(run.student, _train(run), ((d.id, d.utterance) for d in run.each_dialogue("test")))
    lengths.check_teachers(run.trained, ((d.id, d.utterance, d.emotion) for d in run.each_dialogue("train")))


def _train(run: Run) -> Iterator[tuple[str, str, str]]:
    """What is trained on, as far as it is known: the dialogues' messages, and what the corpus already holds."""
    for dialogue in run.each_dialogue("train"):
        yield dialogue.id, dialogue.utterance, ""
    for part in PARTS:
        if not run.corpus(part).exists():
            continue
        for row in files.read_jsonl(run.corpus(part)):
            for key in ("completion", "chosen", "rejected"):
                if key in row:
                    yield row["id"], row["prompt"][0]["content"], row[key][0]["content"]
