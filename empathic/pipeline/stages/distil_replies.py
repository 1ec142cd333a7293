"""The stage before a distillation step: the corpus's examples, with replies of the student's own in their place.

The student is sampled once, before the step, and not again in each of its steps: what it learns from lies on the disk
and is the same after a kill. In a short step the student stays near the one that was sampled.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Sequence

from empathic import files
from empathic.endpoints.chat_api import REFUSED, Request
from empathic.errors import UserError
from empathic.pipeline.fitting import check_lengths
from empathic.pipeline.stage import STUDENT_KEYS, Forecast, Stage
from empathic.pipeline.stages import own_replies
from empathic.pipeline.stages.replies import fewer
from empathic.recipe.steps import Distil
from empathic.run import Row, Run
from empathic.stats import sample
from empathic.student import prompt


def stage_of(step: Distil) -> Stage:
    """The stage that makes what a distillation step learns from."""

    def forecast(of: Forecast) -> str:
        of.corpus[step.name] = count = fewer(step.examples, of.corpus[step.part])
        own = round(step.own * count)
        return f"{own} replies of the student's own{own_replies.forecast(of.recipe)}, {count - own} of the corpus"

    return Stage(
        step.lessons_name,
        about="the student replies, for its teacher to read",
        keys=(
            *STUDENT_KEYS,
            "student.prompt",
            "student.max_tokens",
            "student.engine",
            *(f"steps.{step.name}.{key}" for key in ("examples", "own", "temperature")),
            "seed",
        ),
        inputs=lambda run: [
            run.dialogues_file,
            run.corpus(step.part),
            *([start] if (start := run.start(step.name)) else []),
        ],
        outputs=lambda run: [run.lessons(step)],
        work=lambda run: _replied(step, run),
        forecast=forecast,
        partial=lambda run: [own_replies.folder(run, step)],
    )


def _replied(step: Distil, run: Run) -> Row:
    """Sample, put the replies in, and write the rows; figures for the manifest."""
    check_lengths(run)
    examples = list(files.read_jsonl(run.corpus(step.part)))
    drawn = [examples[i] for i in sample.places(len(examples), step.examples, f"{run.recipe.seed} {step.name}")]
    if not drawn:
        raise UserError(f"corpus/{step.part}.jsonl: holds nothing for steps.{step.name} to learn from; add dialogues")
    own = on_policy(len(drawn), step.own, f"{run.recipe.seed} {step.name} own")
    requests = _requests(step, run, [drawn[i] for i in own])
    answers = own_replies.answered(run, step, requests) if requests else []
    said = dict(zip(own, answers, strict=True))
    if long := [drawn[i]["id"] for i, answer in said.items() if answer.finish == REFUSED]:
        raise UserError(f"steps.{step.name}: {len(long)} messages are too long for the student, {long[0]!r} among them")
    emotions = {d.id: d.emotion for d in run.each_dialogue("train")}
    files.write_jsonl(
        run.lessons(step),
        (
            {
                "id": row["id"],
                "emotion": emotions[row["id"]],
                "own": i in said,
                "prompt": row["prompt"],
                "completion": ([{"role": "assistant", "content": said[i].text}] if i in said else row["completion"]),
            }
            for i, row in enumerate(drawn)
        ),
    )
    shutil.rmtree(own_replies.folder(run, step), ignore_errors=True)
    ended = sum(answer.finish == "stop" for answer in answers) / len(answers) if answers else None
    by = own_replies.engine_of(run) if answers else None
    return {"replies": len(drawn), "own": len(own), "own_ended": ended, "engine": by}


def on_policy(count: int, share: float, seed: str) -> list[int]:
    """Which of so many examples get a reply of the student's own: as near to the share as whole numbers come."""
    return sorted(random.Random(seed).sample(range(count), round(share * count)))


def _requests(step: Distil, run: Run, examples: Sequence[Row]) -> list[Request]:
    """A request for each; messages that several examples have are sampled anew for each of them."""
    settings = run.student
    system_prompt = prompt.instruction(settings.prompt)
    asked: Counter[str] = Counter()
    requests = []
    for row in examples:
        messages = prompt.with_system_prompt(row, system_prompt)["prompt"]
        said = files.digest(messages)
        seed = run.recipe.seed + own_replies.APART * asked[said]
        requests.append(Request(messages, settings.max_tokens, step.temperature, seed=seed))
        asked[said] += 1
    return requests
