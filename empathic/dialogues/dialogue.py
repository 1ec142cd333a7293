"""A dialogue and the replies known to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer to a dialogue, with what people thought of it: 1 (bad), 2 (okay), 3 (good), or unrated."""

    text: str
    rating: int | None = None


@dataclass(frozen=True)
class Dialogue:
    """What a person says, and the replies that are already known to it, by origin (`human`, `chatgpt`, ...).

    `split` is "train" or "test" once a split was made, "validation" where the source keeps some apart, before it "".
    Nothing of a dialogue changes, `replies` neither: `with_replies` makes another one.
    """

    id: str
    utterance: str
    situation: str = ""
    emotion: str = ""
    replies: Mapping[str, Reply] = field(default_factory=dict)
    split: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "replies", MappingProxyType(dict(self.replies)))

    def with_replies(self, more: Mapping[str, Reply]) -> Dialogue:
        """The same dialogue with more replies, which take the place of those of the same origins."""
        return replace(self, replies={**self.replies, **more}) if more else self

    def to_row(self) -> dict[str, Any]:
        """The dialogue as a plain row, ready for JSON."""
        row = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**row, "replies": {origin: asdict(reply) for origin, reply in self.replies.items()}}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Dialogue:
        """The inverse of `to_row`."""
        return cls(**{**row, "replies": {origin: Reply(**reply) for origin, reply in row["replies"].items()}})


def origins_told(known: Iterable[str]) -> str:
    """What to say to whoever asks for replies of another origin: those there are, or where they would come from."""
    names = ", ".join(sorted(known))
    return f"known: {names}" if names else "none has any: teacher.endpoint names who is to write them (docs/teacher.md)"


Source = Callable[[], Iterable[Dialogue]]  # dialogues in their order, anew at each call
