"""The judge stage: every reply scored by every measure, the judges' controls too, and systems paired up."""

from __future__ import annotations

from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.judge import controls, verdicts
from empathic.judge.measures.epitome import Scorer
from empathic.judge.measures.specificity import Specificity
from empathic.judge.replies import EvalDialogue, read_replies
from empathic.judge.results import results
from empathic.judge.scoring import EvalSet, questions, score
from empathic.pipeline.stage import STUDENT_KEYS, Forecast, Stage
from empathic.pipeline.stages import replies
from empathic.pipeline.stages.replies import sampled
from empathic.recipe import Recipe
from empathic.run import SYSTEMS, Row, Run
from empathic.student import prompt


def work(run: Run) -> Row:
    """Score every reply by both measures, every judge against its controls too, and pair them up."""
    recipe = run.recipe
    tests = run.dialogues("test")
    systems = {name: read_replies(run.path("replies", f"{name}.jsonl"))[1] for name in SYSTEMS}
    opponents = recipe.opponents({origin for d in tests for origin in d.replies})
    known = {
        origin: {d.id: d.replies[origin].text for d in sampled(run, n) if origin in d.replies}
        for origin, n in opponents.items()
    }
    if recipe.sample.known and (silent := [origin for origin, replies in known.items() if not replies]):
        raise UserError(f"sample.known: none of the test dialogues drawn has a reply of {silent[0]!r}; draw more")
    systems |= {origin: replies for origin, replies in known.items() if replies}
    compared = list(systems)
    own = _trusted(tests, recipe) or systems["dpo"]
    systems |= controls.control_systems([d.id for d in sampled(run, recipe.sample.controls, own)], own, recipe.seed)
    pairs = [("dpo", "base"), ("sft", "base"), ("dpo", "sft"), ("dpo", "stock")]
    pairs += [(student, origin) for origin in compared[3:] for student in ("dpo", "sft")]
    asked = EvalSet(
        [EvalDialogue.of(d) for d in tests],
        systems,
        [*pairs, *controls.control_pairs()],
        unasked={"stock": dict.fromkeys(systems["dpo"], controls.STOCK)},
    )
    with run.ledger() as ledger:
        system_prompt = prompt.instruction(recipe.student.prompt)
        scorer = Specificity(recipe.student.model, recipe.student.template, system_prompt, ledger)
        progress, log = run.display.step, run.display.note
        levels = Scorer(Path(recipe.levels)) if recipe.levels else None
        (scores,) = score([asked], recipe.judge, ledger, scorer, recipe.seed, progress, log, levels)
    named = {f"{a}-{b}": (a, b) for a, b in pairs}
    named |= dict(zip((f"control-{name}" for name in controls.CONTROLS), controls.control_pairs(), strict=True))
    for name, pair in named.items():
        files.write_jsonl(run.path("verdicts", f"{name}.jsonl"), verdicts.compare(*pair, scores)[0])
    return {"judge": ", ".join(judge.name for judge in recipe.judge), **results(scores, pairs, compared)}


def _trusted(tests: list[Dialogue], recipe: Recipe) -> dict[str, str]:
    """Replies to test the judge with: the teacher's known ones, or people's."""
    for origin in (*recipe.method.teachers, "human"):
        known = {d.id: d.replies[origin].text for d in tests if origin in d.replies}
        if len(known) > 1:
            return known
    return {}


def forecast(of: Forecast) -> str:
    """How many questions would be asked of whom."""
    recipe, tests = of.recipe, len(of.tests)
    base, sft, dpo = of.replies.values()
    opponents = recipe.opponents({origin for d in of.tests for origin in d.replies})
    known = [tests if n is None else min(n, tests) for n in opponents.values()]
    controlled = min(recipe.sample.controls, tests)
    against = sum(min(dpo, n) + min(sft, n) for n in known)
    pairs = min(dpo, base) + min(sft, base) + min(dpo, sft) + min(dpo, controlled) + against + 3 * controlled
    judged = base + sft + dpo + sum(known) + 4 * controlled
    return ", ".join(f"{questions(one, judged, pairs)} questions to {one.endpoint}" for one in recipe.judge)


STAGE = Stage(
    "judge",
    keys=(*STUDENT_KEYS, "student.prompt", "method.teachers", "judge", "levels", "sample", "seed"),
    inputs=lambda run: [
        run.path("dialogues.jsonl"),
        *(run.path(*name.split("/")) for name in replies.OUTPUTS),
        *(Path(judge.questions) for judge in run.recipe.judge if judge.questions),
        *([Path(run.recipe.levels)] if run.recipe.levels else []),
    ],
    outputs=("verdicts",),
    work=work,
    forecast=forecast,
)
