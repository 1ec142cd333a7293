"""What a chat template puts around what is said: found by rendering, for programs that take pieces and not Jinja."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Message = dict[str, str]
_SYSTEM, _FIRST, _REPLY, _SECOND = "Instructed.", "Said first.", "Replied.", "Said second."


@dataclass(frozen=True)
class Turns:
    """The text around an instruction, messages and replies that take turns.

    Attributes:
        uninstructed: what opens a prompt that has no instruction, often one of the model's makers.
        before_system: what opens the prompt of an instruction.
        after_system: what follows the instruction.
        before_user: what stands before each message.
        after_user: what stands between a message and its reply; a prompt ends with it.
        after_reply: what follows a reply, if another message comes.
        end: the token that ends a reply.
    """

    uninstructed: str
    before_system: str
    after_system: str
    before_user: str
    after_user: str
    after_reply: str
    end: int

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt that messages make: an instruction or none, then messages and replies in turn."""
        around = {
            "system": (self.before_system, self.after_system),
            "user": (self.before_user, self.after_user),
            "assistant": ("", self.after_reply),
        }
        said = "".join(f"{around[one['role']][0]}{one['content']}{around[one['role']][1]}" for one in messages)
        return said if messages[0]["role"] == "system" else self.uninstructed + said


def turns(tokenizer: Any) -> Turns | None:
    """What a tokenizer's chat template puts around turns; None where no such pieces give what the template gives."""
    asked = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _FIRST}]
    longer = [*asked, {"role": "assistant", "content": _REPLY}, {"role": "user", "content": _SECOND}]
    tried = (asked, longer, asked[1:], longer[1:])
    shown, shown_longer, bare, bare_longer = (
        str(tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)) for said in tried
    )
    if any(shown.count(text) != 1 for text in (_SYSTEM, _FIRST)) or shown_longer.count(_SECOND) != 1:
        return None
    before_system, rest = shown.split(_SYSTEM)
    middle, after_user = rest.split(_FIRST)
    between = shown_longer.split(_REPLY)[-1].split(_SECOND)[0]
    before_user = _common_end(middle, between)
    found = Turns(
        bare.split(_FIRST)[0].removesuffix(before_user),
        before_system,
        middle.removesuffix(before_user),
        before_user,
        after_user,
        between.removesuffix(before_user),
        _end(tokenizer, between),
    )
    same = [found.render(said) for said in tried] == [shown, shown_longer, bare, bare_longer]
    return found if same else None


def end_of_turn(tokenizer: Any) -> int:
    """The token that ends a reply."""
    found = turns(tokenizer)
    return found.end if found else int(tokenizer.eos_token_id)


def _common_end(a: str, b: str) -> str:
    length = next((i for i in range(min(len(a), len(b))) if a[-1 - i] != b[-1 - i]), min(len(a), len(b)))
    return a[len(a) - length :]


def _end(tokenizer: Any, after: str) -> int:
    """The special token that the text after a reply begins with; else the one that ends texts."""
    first = tokenizer(after, add_special_tokens=False)["input_ids"][:1]
    return int(first[0]) if first and first[0] in tokenizer.added_tokens_decoder else int(tokenizer.eos_token_id)
