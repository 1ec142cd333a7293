"""Training rows as tokens: the prompt as it is asked, then the reply, so that a reply is learnt where it will begin.

Text that is tokenised as a whole may join the prompt's last token with the reply's first; a prompt that is asked can't.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from empathic.errors import UserError
from empathic.student.prompt import Message
from empathic.student.templates import shown

IGNORED = -100  # the label of a token that nothing is learnt from


def prompt_ids(tokenizer: Any, asked: Sequence[Message]) -> list[int]:
    """The tokens of a prompt."""
    found = tokenizer.apply_chat_template(list(asked), add_generation_prompt=True, return_dict=True)
    return list(found["input_ids"])


def reply_ids(
    tokenizer: Any, asked: Sequence[Message], reply: Sequence[Message], before: list[int] | None = None
) -> list[int]:
    """The tokens that follow those of the prompt: the reply, and what ends it.

    Args:
        tokenizer: with a chat template.
        asked: the prompt.
        reply: what follows it.
        before: the prompt's tokens, where they are known.

    Raises:
        UserError: the template shows the prompt otherwise once it has this reply.
    """
    before = prompt_ids(tokenizer, asked) if before is None else before
    whole = list(tokenizer.apply_chat_template([*asked, *reply], return_dict=True)["input_ids"])
    if whole[: len(before)] == before:
        return whole[len(before) :]
    opened, said = shown(tokenizer, asked), shown(tokenizer, [*asked, *reply], reply_next=False)
    if not said.startswith(opened):
        raise UserError(
            f"student.template: shows the prompt otherwise before the reply {reply[0]['content'][:40]!r} than "
            "without it; give another (plain, or a file)"
        )
    # After a special token, so that no tokenizer takes the reply for the beginning of a text.
    ids = tokenizer(tokenizer.eos_token + said[len(opened) :], add_special_tokens=False)["input_ids"]
    return list(ids[1:])


def example(tokenizer: Any, row: dict[str, Any]) -> dict[str, list[int]]:
    """A row of `prompt` and `completion` as SFT takes it: the loss is on the completion alone."""
    asked = prompt_ids(tokenizer, row["prompt"])
    said = reply_ids(tokenizer, row["prompt"], row["completion"], asked)
    return {"input_ids": asked + said, "labels": [IGNORED] * len(asked) + said}


def pair(tokenizer: Any, row: dict[str, Any]) -> dict[str, list[int]]:
    """A row of `prompt`, `chosen` and `rejected` as DPO takes it."""
    asked = prompt_ids(tokenizer, row["prompt"])
    return {
        "prompt_ids": asked,
        "chosen_ids": reply_ids(tokenizer, row["prompt"], row["chosen"], asked),
        "rejected_ids": reply_ids(tokenizer, row["prompt"], row["rejected"], asked),
    }
