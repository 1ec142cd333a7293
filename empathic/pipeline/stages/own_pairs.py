"""The stage before a step that learns from the student's own replies: samples of them, ranked, and paired up.

The student so far answers dialogues of train several times. A reward model, which learnt from blind readings, says of
each reply how likely a reader is to send it; the best is preferred to the worst (as in iterative DPO: Yuan et al. 2024,
arXiv 2401.10020, with the student as its own teacher; here the rewards are of a model that readers taught).
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from empathic import files
from empathic.corpus import safety_filter
from empathic.corpus.safety_filter import told
from empathic.dialogues import Dialogue
from empathic.endpoints.chat_api import Answer, Request
from empathic.errors import UserError
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.measures.reader import Reader
from empathic.pipeline.stage import STUDENT_KEYS, Forecast, Stage
from empathic.pipeline.stages import own_replies
from empathic.pipeline.stages.replies import fewer
from empathic.recipe.steps import Dpo
from empathic.run import Row, Run
from empathic.student import prompt
from empathic.student.own_pairs import Sample, pair_up


def stage_of(step: Dpo) -> Stage:
    """The stage that makes a step's pairs."""
    assert step.lessons_name, "it learns from the corpus"
    before_keys = ("samples", "dialogues", "temperature", "margin")

    def forecast(of: Forecast) -> str:
        of.corpus[step.name] = count = fewer(step.dialogues, len(of.train))
        by = own_replies.forecast(of.recipe)
        return f"{count * step.samples} replies of the student's own{by}, at most {count} pairs of them"

    return Stage(
        step.lessons_name,
        about="the student replies several times, and the better replies are told from the worse",
        keys=(
            *STUDENT_KEYS,
            "student.prompt",
            "student.max_tokens",
            "student.engine",
            *(f"steps.{step.name}.{key}" for key in before_keys),
            "reward_model",
            "corpus.safety_filter",
            "seed",
        ),
        inputs=lambda run: [
            run.dialogues_file,
            *([start] if (start := run.start(step.name)) else []),
            *([Path(model)] if (model := run.recipe.reward_model) else []),
        ],
        outputs=lambda run: [run.lessons(step)],
        work=lambda run: _paired(step, run),
        forecast=forecast,
        partial=lambda run: [own_replies.folder(run, step)],
    )


def _paired(step: Dpo, run: Run) -> Row:
    """Sample, rank, pair up; figures for the manifest."""
    assert run.recipe.reward_model, "a recipe without one isn't loaded"
    dialogues = _drawn(step, run)
    answers = _answers(step, run, dialogues)
    reader = Reader(Path(run.recipe.reward_model))
    asked = [JudgedReply(d.utterance, answer.text) for d, said in answers for answer in said]
    rewards = iter([read.send for read in reader.read(asked)])
    sampled = [
        (d, [Sample(answer.text, next(rewards), answer.finish == "stop") for answer in said]) for d, said in answers
    ]
    pairs = list(pair_up(sampled, step.margin))
    if not any(sample.ended for _, samples in sampled for sample in samples):
        raise UserError(f"steps.{step.name}: every reply was cut off; raise student.max_tokens, or train more before")
    if not pairs:
        raise UserError(
            f"steps.{step.name}: no two replies are apart by margin {step.margin}; lower it, or sample more"
        )
    if safety := safety_filter.of(run.recipe):
        pairs = [pair for pair in pairs if safety.keep(pair.to_row())]
        if safety.left_out:
            run.display.note(f"left out for safety: {told(safety.counts())}")
    if not pairs:
        raise UserError(f"steps.{step.name}: corpus.safety_filter left no pair; sample more, or set it to false")
    files.write_jsonl(run.lessons(step), (pair.to_row() for pair in pairs))
    shutil.rmtree(own_replies.folder(run, step), ignore_errors=True)
    every = [sample.reward for _, samples in sampled for sample in samples]
    return {
        "pairs": len(pairs),
        "dialogues": len(dialogues),
        "reward": sum(every) / len(every),
        "reward_of_chosen": sum(pair.chosen.reward for pair in pairs) / len(pairs),
        "left_out": safety.counts() if safety else None,
        "engine": own_replies.engine_of(run),
    }


def _drawn(step: Dpo, run: Run) -> list[Dialogue]:
    """A seeded sample of train that differs from step to step."""
    train = run.dialogues("train")
    dice = random.Random(f"{run.recipe.seed} {step.name}")
    return dice.sample(train, fewer(step.dialogues, len(train)))


def _answers(step: Dpo, run: Run, dialogues: list[Dialogue]) -> list[tuple[Dialogue, list[Answer]]]:
    """So many answers to each dialogue."""
    settings = run.student
    system_prompt = prompt.instruction(settings.prompt)
    requests = [
        Request(
            prompt.messages(system_prompt, d.utterance),
            settings.max_tokens,
            step.temperature,
            seed=run.recipe.seed + own_replies.APART * number,
        )
        for d in dialogues
        for number in range(step.samples)
    ]
    found = iter(own_replies.answered(run, step, requests))
    return [(d, [next(found) for _ in range(step.samples)]) for d in dialogues]
