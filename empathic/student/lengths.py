"""Whether everything fits that a student will read: examples into what it trains on, messages into its file as served.

Only texts that might not fit are tokenised: no text has more tokens than bytes of UTF-8. All pass by one at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

from empathic import models
from empathic.endpoints.llama_cpp import CONTEXT
from empathic.errors import UserError
from empathic.recipe import Recipe
from empathic.recipe.sections import Student
from empathic.recipe.steps import Distil
from empathic.student import distil_teacher, examples, load, prompt

_AROUND = 512  # more bytes than any template puts around a dialogue


def check(
    student: Student, train: Iterable[tuple[str, str, str]], test: Iterable[tuple[str, str]], fetch: bool = True
) -> None:
    """Refuse the first text that a student can't read whole.

    Args:
        student: the recipe's; its prompt is in front of everything.
        train: id, message and reply of what is trained on; "" where the reply isn't known yet.
        test: id and message of what the file will be asked.
        fetch: whether a known model may be fetched to find out.

    Raises:
        UserError: names the row.
    """
    told = prompt.instruction(student.prompt)
    if not fetch and _elsewhere(student.model):
        return
    reads = None if student.model in models.KNOWN else load.context(load.load_config(student.model))
    served = min(CONTEXT, reads or CONTEXT)
    spare = len(told.encode()) + _AROUND

    @functools.cache
    def opened() -> tuple[Any, int | None]:
        """The tokenizer and the context, once one of them is wanted: a known model is fetched for it."""
        tokenizer = load.load_tokenizer(student.model, student.template)[0]
        return tokenizer, reads or load.context(load.load_config(student.model))

    for id, said in test:
        if len(said.encode()) + spare + student.max_tokens <= served:
            continue
        tokens = len(examples.prompt_ids(opened()[0], prompt.messages(told, said)))
        if tokens + student.max_tokens > served:
            raise UserError(
                f"dialogues: the test message {id!r} has {tokens} tokens with its instruction, and with a reply of "
                f"{student.max_tokens} (student.max_tokens) more than the {served} that the file for the phone reads; "
                "shorten it, or lower student.max_tokens"
            )
    for id, said, replied in train:
        if len((said + replied).encode()) + spare <= (reads or CONTEXT):
            continue
        tokenizer, most = opened()
        before = prompt.messages(told, said)
        tokens = len(examples.prompt_ids(tokenizer, before))
        if replied:
            tokens += len(examples.reply_ids(tokenizer, before, [{"role": "assistant", "content": replied}]))
        if most and tokens > most:
            raise UserError(
                f"dialogues: the train message {id!r} has {tokens} tokens with its instruction"
                f"{' and reply' if replied else ''}, and the student's context holds {most}; shorten it, or choose "
                "the brief prompt"
            )


def check_teachers(recipe: Recipe, train: Iterable[tuple[str, str, str]], fetch: bool = True) -> None:
    """Refuse the first message that a distillation's teacher can't read whole: it is told more than the student is.

    Args:
        recipe: its distillations' teachers are looked at.
        train: id, message and emotion of what is trained on.
        fetch: whether a known model may be fetched to find out.

    Raises:
        UserError: names the row, and the keys that make it too long.
    """
    readers = [_Reader(step, recipe, of) for step, of in _teachers(recipe, fetch)]
    for row in train if readers else ():
        for reader in readers:
            reader.check(*row)


def _teachers(recipe: Recipe, fetch: bool) -> Iterator[tuple[Distil, distil_teacher.Teacher]]:
    for step in recipe.distillations:
        of = distil_teacher.find(step, recipe)
        if fetch or not _elsewhere(of.model):
            yield step, of


class _Reader:
    """Who teaches a distillation, as far as it has to read the messages."""

    def __init__(self, step: Distil, recipe: Recipe, of: distil_teacher.Teacher) -> None:
        self.step, self.of, self.replies = step, of, recipe.student.max_tokens
        self.told = prompt.instruction(step.teacher_prompt, step.key("teacher_prompt"))
        self.reads = load.context(load.load_config(of.model, step.key("teacher")))

    @functools.cached_property
    def tokenizer(self) -> Any:
        return load.load_tokenizer(self.of.model, self.of.template, self.step.key("teacher"))[0]

    def check(self, id: str, said: str, emotion: str) -> None:
        """Refuse a message that is too long."""
        told = prompt.with_emotion(self.told, emotion)
        if not self.reads or len((said + told).encode()) + _AROUND + self.replies <= self.reads:
            return
        tokens = len(examples.prompt_ids(self.tokenizer, prompt.messages(told, said)))
        if tokens + self.replies > self.reads:
            raise UserError(
                f"{self.step.key('teacher_prompt')}: the train message {id!r} has {tokens} tokens with what the "
                f"teacher is told, and with a reply of {self.replies} (student.max_tokens) more than the {self.reads} "
                f"that {self.step.teacher} reads; shorten it, or choose the brief prompt"
            )


def _elsewhere(name: str) -> bool:
    """Whether a model that goes by a name would have to be fetched to be looked at."""
    if name in models.KNOWN:
        return not models.cached(name).exists()
    return models.on_hub(name) is not None and not load.is_here(name)
