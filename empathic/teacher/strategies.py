"""The paper's strategies as data: how a teacher is asked for a reply, or for a better one (arXiv 2507.08151).

A strategy is a text file, one turn of the conversation after another between lines of `---`. `{dialogue}` stands for
the situation and the message, `{reply}` for the reply to improve, `{words}` and `{most}` for the length asked for.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.errors import UserError

IMPROVING = (
    "naive",
    "three-dimensions",
    "lacking-dimension",
    "cognitive",
    "affective",
    "compassionate",
    "in-sequence",
)
NAMES = ("direct", *IMPROVING)
DIMENSIONS = ("cognitive", "affective", "compassionate")
PICK = f"""root ::= "Dimension: " ({" | ".join(f'"{name}"' for name in DIMENSIONS)}) "\\nReply: " [^\\n]+"""  # in GBNF
WORDS, MOST = 28, 97  # the mean and the maximum of people's replies in the paper's data
_PLACES = {"dialogue", "situation", "utterance", "reply", "words", "most"}


@dataclass(frozen=True)
class Strategy:
    """How a teacher is asked.

    Attributes:
        name: one of `NAMES`.
        turns: what it is told, turn by turn; each but the first follows its own answer to the one before.
        version: a hash of the turns.
    """

    name: str
    turns: tuple[str, ...]
    version: str

    @property
    def improves(self) -> bool:
        """Whether it starts from a reply."""
        return self.name != "direct"

    @property
    def picks(self) -> bool:
        """Whether the teacher says which dimension it improved."""
        return self.name == "lacking-dimension"

    def ask(self, turn: int, dialogue: Dialogue, reply: str = "") -> str:
        """What the teacher is told in a turn, counted from 0."""
        shown = f"Message: {dialogue.utterance}"
        if dialogue.situation and dialogue.situation != dialogue.utterance:
            shown = f"Situation: {dialogue.situation}\n{shown}"
        return self.turns[turn].format(
            dialogue=shown,
            situation=dialogue.situation,
            utterance=dialogue.utterance,
            reply=reply,
            words=WORDS,
            most=MOST,
        )


def load_strategy(name: str, own: Mapping[str, str] | None = None) -> Strategy:
    """A strategy by name, from our file or from the one that a recipe names instead.

    Args:
        name: one of `NAMES`.
        own: the recipe's `teacher.prompts`, strategy to file.

    Raises:
        UserError: no such strategy; a file that can't be read, is empty, has an unknown placeholder, or lacks one.
    """
    if name not in NAMES:
        raise UserError(f"strategy: {name!r} is none; want one of {', '.join(NAMES)}")
    ours = Path(str(resources.files("empathic.teacher") / "prompts" / f"{name}.txt"))
    path = Path((own or {}).get(name, ours))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"teacher.prompts.{name}: {path} can't be read as UTF-8 ({error})") from error
    turns = tuple(turn.strip() for turn in f"\n{text}\n".split("\n---\n"))
    if not all(turns):
        raise UserError(f"{path}: an empty turn; want text before and after every line of ---")
    places = {place for turn in turns for place in _places(path, turn)}
    if unknown := places - _PLACES:
        raise UserError(f"{path}: unknown placeholder {{{min(unknown)}}}; known: {', '.join(sorted(_PLACES))}")
    if name != "direct" and "reply" not in places:
        raise UserError(f"{path}: {{reply}} is missing, the reply to improve")
    if not places & {"dialogue", "utterance"}:
        raise UserError(f"{path}: {{dialogue}} is missing, or {{utterance}}: what the person says")
    return Strategy(name, turns, files.digest(turns)[:12])


def _places(path: Path, turn: str) -> set[str]:
    """The placeholders of a turn."""
    try:
        return {place for _, place, _, _ in string.Formatter().parse(turn) if place is not None}
    except ValueError as error:
        raise UserError(f"{path}: {error}; write {{{{ and }}}} for braces that are no placeholder") from error
