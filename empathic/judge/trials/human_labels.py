"""Sets that people labelled, for measuring judges against people.

EPITOME (Sharma et al. 2020): Reddit posts and replies with levels of three behaviours; the part held out is a sixth to
seventh of the posts. The rated 2,000 (Welivita and Pu 2024): dialogues of which some have a reply that people rated 3
(good) and another that they rated 1 (bad).
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from empathic.dialogues import sources
from empathic.errors import UserError
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.measures.levels import BEHAVIOURS, LabelledReply
from empathic.recipe import Dialogues

_HELD_OUT = 0.15  # of the posts
_COLUMNS = ("sp_id", "rp_id", "seeker_post", "response_post", "level")


@dataclass(frozen=True)
class Rated:
    """Two replies to one message, of which people rated the one 3 and the other 1."""

    id: str
    utterance: str
    good: str
    bad: str
    emotion: str = ""


def epitome(folder: Path) -> tuple[list[LabelledReply], list[LabelledReply]]:
    """Train and held-out part of EPITOME, split by post, whatever the files' order.

    Sixty of its replies stand there twice; the ten with another level the second time are left out.

    Args:
        folder: where its three `*-reddit.csv` files lie.

    Raises:
        UserError: a file that is missing, not UTF-8, of other columns, or with a level that is none.
    """
    given: dict[str, dict[str, set[int]]] = {}
    texts: dict[str, tuple[str, JudgedReply]] = {}
    for behaviour in BEHAVIOURS:
        for row in _rows(folder / f"{behaviour.replace('_', '-')}-reddit.csv"):
            id = f"{row['sp_id']} {row['rp_id']}"
            texts[id] = row["sp_id"], JudgedReply(row["seeker_post"], row["response_post"])
            given.setdefault(id, {}).setdefault(behaviour, set()).add(int(row["level"]))
    levels = {
        id: {behaviour: min(of) for behaviour, of in found.items()}
        for id, found in given.items()
        if found.keys() == set(BEHAVIOURS) and all(len(of) == 1 for of in found.values())
    }
    rows = [LabelledReply(id, *texts[id], found) for id, found in levels.items()]
    held = [row for row in rows if _drawn(row.post) < _HELD_OUT]
    return [row for row in rows if _drawn(row.post) >= _HELD_OUT], held


def folder() -> Path:
    """Where EPITOME's files are looked for."""
    return sources.data_folder() / "epitome"


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; docs/data.md says where to get EPITOME")
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            table = csv.DictReader(lines)
            if lacking := [column for column in _COLUMNS if column not in (table.fieldnames or ())]:
                raise UserError(f"{path}: no column {lacking[0]!r}; want {', '.join(_COLUMNS)}")
            for row in table:
                if row["level"] not in ("0", "1", "2"):
                    raise UserError(f"{path}:{table.line_num}: the level {row['level']!r}; want 0, 1 or 2")
                yield row
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8; save the file as UTF-8") from error


def _drawn(post: str) -> float:
    """A number in 0..1 that hangs on the post alone."""
    return int.from_bytes(hashlib.sha256(post.encode()).digest()[:8]) / 2**64


def rated(seed: int) -> list[Rated]:
    """One pair from each dialogue of the rated 2,000 that has a reply rated 3 and one rated 1, in an order by seed.

    Raises:
        UserError: the rated 2,000 are not there.
    """
    pairs = []
    for dialogue in sources.load_dialogues(Dialogues(source="welivita"), seed):
        dice = random.Random(f"{seed} {dialogue.id}")
        by_rating = {
            rating: sorted(reply.text for reply in dialogue.replies.values() if reply.rating == rating)
            for rating in (1, 3)
        }
        if all(by_rating.values()):
            good, bad = dice.choice(by_rating[3]), dice.choice(by_rating[1])
            pairs.append(Rated(dialogue.id, dialogue.utterance, good, bad, dialogue.emotion))
    random.Random(seed).shuffle(pairs)
    return pairs
