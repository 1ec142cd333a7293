"""The judge stage: every reply scored by every measure, the judges' controls too, and systems paired up."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.judge import controls, verdicts
from empathic.judge.classifier import of_message
from empathic.judge.comparisons import comparisons
from empathic.judge.measures.epitome import Scorer
from empathic.judge.measures.measure import Means
from empathic.judge.measures.reader import Reader
from empathic.judge.measures.specificity import Specificity
from empathic.judge.replies import EvalDialogue, EvalSet, read_replies
from empathic.judge.results import results
from empathic.judge.scores import SCORES_FILE
from empathic.judge.scoring import models_of, questions, score
from empathic.pipeline.stage import PLACEMENT, STUDENT_KEYS, Forecast, Stage
from empathic.pipeline.stages.replies import fewer, sampled
from empathic.recipe import Recipe
from empathic.run import Row, Run
from empathic.student import placement, prompt


def work(run: Run) -> Row:
    """Score every reply by both measures, every judge against its controls too, and pair them up."""
    recipe = run.recipe
    tests = run.dialogues("test")
    systems = {name: read_replies(run.replies(name))[1] for name in run.systems}
    wanted = recipe.references({origin for d in tests for origin in d.replies})
    known = {
        origin: {d.id: d.replies[origin].text for d in sampled(run, n) if origin in d.replies}
        for origin, n in wanted.items()
    }
    if recipe.sample.references and (silent := [origin for origin, replies in known.items() if not replies]):
        raise UserError(f"sample.references: none of the test dialogues drawn has a reply of {silent[0]!r}; draw more")
    references = {origin: replies for origin, replies in known.items() if replies}
    systems |= references
    shipped = systems[recipe.final]
    own = _trusted(tests, recipe) or shipped
    systems |= controls.control_systems([d.id for d in sampled(run, recipe.sample.controls, own)], own, recipe.seed)
    pairs = comparisons(recipe, references)
    asked = EvalSet(
        [EvalDialogue.of(d) for d in tests],
        systems,
        [*pairs, *controls.control_pairs()],
        unasked={controls.STOCK_SYSTEM: dict.fromkeys(shipped, controls.STOCK)},
        whole={name: systems[name] for name in run.systems} | _everywhere(tests),
    )
    with run.ledger() as ledger:
        student = run.student
        told, placed = prompt.instruction(student.prompt), placement.of(student)
        scorer = Specificity(student.model, student.template, told, ledger, placed)
        levels = Scorer(Path(recipe.epitome_scorer)) if recipe.epitome_scorer else None
        reader = Reader(Path(recipe.reader)) if recipe.reader else None
        means = Means(recipe.judge, models_of(scorer, levels, reader), recipe.seed)
        (scores,) = score([asked], means, ledger, run.display.step, run.display.note)
    shutil.rmtree(run.path("verdicts"), ignore_errors=True)  # of pairs that an earlier recipe had
    scores.write(run.path("verdicts", SCORES_FILE))
    for pair in pairs:
        files.write_jsonl(run.verdicts(*pair), verdicts.compare(*pair, scores)[0])
    for name, control in zip(controls.CONTROLS, controls.control_pairs(), strict=True):
        files.write_jsonl(run.verdicts("control", name), verdicts.compare(*control, scores)[0])
    if reader is None:
        return results(scores, recipe, list(references))
    learnt = {d.id for d in tests if of_message(d.utterance) in reader.classifier.learnt}
    return results(scores, recipe, list(references), reader.errors, learnt)


def _trusted(tests: list[Dialogue], recipe: Recipe) -> dict[str, str]:
    """Replies to test the judge with: the teacher's known ones, or people's."""
    for origin in (*recipe.method.teachers, "human"):
        known = {d.id: d.replies[origin].text for d in tests if origin in d.replies}
        if len(known) > 1:
            return known
    return {}


def _everywhere(tests: list[Dialogue]) -> dict[str, dict[str, str]]:
    """Known replies by origin, of the origins that every test dialogue has."""
    origins = [origin for origin in tests[0].replies if all(origin in d.replies for d in tests)]
    return {origin: {d.id: d.replies[origin].text for d in tests} for origin in origins}


def forecast(of: Forecast) -> str:
    """How many questions would be asked of whom."""
    recipe, tests = of.recipe, len(of.tests)
    wanted = recipe.references({origin for d in of.tests for origin in d.replies})
    known = {origin: fewer(n, tests) for origin, n in wanted.items()}
    controlled = dict.fromkeys(itertools.chain(*controls.control_pairs()), min(recipe.sample.controls, tests))
    pairs = [*comparisons(recipe, known), *controls.control_pairs()]
    asked = EvalSet.of_sizes({**of.replies, **known, **controlled}, pairs)
    return ", ".join(f"{questions(one, asked)} questions to {one.endpoint}" for one in recipe.judge)


STAGE = Stage(
    "judge",
    about="the judge reads",
    keys=(
        *STUDENT_KEYS,
        *PLACEMENT,
        "student.prompt",
        "method.teachers",
        "judge",
        "reader",
        "epitome_scorer",
        "sample",
        "seed",
    ),
    inputs=lambda run: [
        run.dialogues_file,
        *map(run.replies, run.systems),
        *(Path(judge.questions) for judge in run.recipe.judge if judge.questions),
        *(Path(folder) for folder in (run.recipe.reader, run.recipe.epitome_scorer) if folder),
    ],
    outputs=lambda run: [run.path("verdicts")],
    work=work,
    forecast=forecast,
)
