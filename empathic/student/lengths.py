"""Whether everything fits that a student will read: examples into what it trains on, messages into its file as served.

Only texts that might not fit are tokenised: no text has more tokens than bytes of UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable

from empathic import models
from empathic.endpoints.llama_cpp import CONTEXT
from empathic.errors import UserError
from empathic.recipe import Recipe
from empathic.recipe.sections import Student
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
    asked = [one for one in test if len(one[1].encode()) + spare + student.max_tokens > served]
    learnt = [one for one in train if len("".join(one[1:]).encode()) + spare > (reads or CONTEXT)]
    if not asked and not learnt:
        return
    tokenizer = load.load_tokenizer(student.model, student.template)[0]
    reads = reads or load.context(load.load_config(student.model))
    for id, said in asked:
        tokens = len(examples.prompt_ids(tokenizer, prompt.messages(told, said)))
        if tokens + student.max_tokens > served:
            raise UserError(
                f"dialogues: the test message {id!r} has {tokens} tokens with its instruction, and with a reply of "
                f"{student.max_tokens} (student.max_tokens) more than the {served} that the file for the phone reads; "
                "shorten it, or lower student.max_tokens"
            )
    for id, said, replied in learnt:
        before = prompt.messages(told, said)
        tokens = len(examples.prompt_ids(tokenizer, before))
        if replied:
            tokens += len(examples.reply_ids(tokenizer, before, [{"role": "assistant", "content": replied}]))
        if reads and tokens > reads:
            raise UserError(
                f"dialogues: the train message {id!r} has {tokens} tokens with its instruction"
                f"{' and reply' if replied else ''}, and the student's context holds {reads}; shorten it, or choose "
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
    rows = list(train) if recipe.distillations else []
    for step in recipe.distillations:
        of = distil_teacher.find(step, recipe)
        if not fetch and _elsewhere(of.model):
            continue
        told = prompt.instruction(step.teacher_prompt, step.key("teacher_prompt"))
        reads = load.context(load.load_config(of.model, step.key("teacher")))
        asked = [(id, said, prompt.with_emotion(told, emotion)) for id, said, emotion in rows]
        spare = _AROUND + recipe.student.max_tokens
        if not reads or not (long := [one for one in asked if len("".join(one[1:]).encode()) + spare > reads]):
            continue
        tokenizer = load.load_tokenizer(of.model, of.template, step.key("teacher"))[0]
        for id, said, instruction in long:
            tokens = len(examples.prompt_ids(tokenizer, prompt.messages(instruction, said)))
            if tokens + recipe.student.max_tokens > reads:
                raise UserError(
                    f"{step.key('teacher_prompt')}: the train message {id!r} has {tokens} tokens with what the teacher "
                    f"is told, and with a reply of {recipe.student.max_tokens} (student.max_tokens) more than the "
                    f"{reads} that {step.teacher} reads; shorten it, or choose the brief prompt"
                )


def _elsewhere(name: str) -> bool:
    """Whether a model that goes by a name would have to be fetched to be looked at."""
    if name in models.KNOWN:
        return not models.cached(name).exists()
    return models.on_hub(name) is not None and not load.is_here(name)
