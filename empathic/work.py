"""The work of each stage: it reads what earlier stages wrote, through the run's folder alone, and returns facts.

One function a stage, under the stage's name; `stages.py` says in what order and when one is out of date.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from empathic import files
from empathic.client import ask
from empathic.dialogues import Dialogue, Reply, guard, load
from empathic.endpoint import open_endpoint
from empathic.errors import UserError
from empathic.recipe import Recipe
from empathic.wire import Request
from empathic.workspace import Row, Run


def dialogues(run: Run) -> Row:
    """Load the dialogues, split, and drop those of train that are also in test.

    Raises:
        UserError: data that can't be used, or known replies to judge against that no test dialogue has.
    """

    def found() -> Iterator[Dialogue]:
        return load.stream(run.recipe.dialogues, run.recipe.seed)

    watch, counts = guard.Guard(found()), Counter({"train": 0, "test": 0})
    origins: set[str] = set()

    def kept() -> Iterator[Row]:
        for d in filter(watch.passes, found()):
            counts[d.split] += 1
            origins.update(d.replies if d.split == "test" else ())
            yield d.to_row()

    files.write_jsonl(run.path("dialogues.jsonl"), kept())
    if absent := [origin for origin in run.recipe.opponents(origins) if origin not in origins]:
        theirs = ", ".join(sorted(origins)) or "none"
        raise UserError(f"sample.known: no test dialogue has a reply of {absent[0]!r}; theirs are of: {theirs}")
    return {**counts, "leaks_dropped": watch.dropped}


def teacher(run: Run) -> Row:
    """Collect what the teacher replies, recorded or live."""
    from empathic import teaching
    from empathic.teacher import recorded

    if run.recipe.teacher.endpoint:
        return teaching.ask(run)
    if run.recipe.method.name != "direct":
        raise UserError(f"teacher.endpoint: {run.recipe.method.name} needs a teacher to ask; name its endpoint")
    rows = recorded.replies(run.each_dialogue("train"), run.recipe.method.teachers)
    return {"replies": files.write_jsonl(run.path("teacher.jsonl"), rows)}


def corpus(run: Run) -> Row:
    """Build the SFT examples and preference pairs."""
    from empathic.corpus import direct, improved, rows

    build = improved.build if run.recipe.teacher.endpoint else direct.build
    return rows.write(build(lambda: _taught(run), run.recipe.method, run.recipe.seed), run.path("corpus"))


def _taught(run: Run) -> Iterator[Dialogue]:
    """The train dialogues with what the teacher replied, one by one; both files are in the same order."""
    said = itertools.groupby(files.read_jsonl(run.path("teacher.jsonl")), key=lambda row: row["id"])
    id, rows = next(said, (None, iter(())))
    for dialogue in run.each_dialogue("train"):
        if dialogue.id == id:
            for row in rows:
                dialogue.replies[row["teacher"]] = Reply(row["reply"], row["rating"])
            id, rows = next(said, (None, iter(())))
        yield dialogue


def sft(run: Run) -> Row:
    """Train the first step."""
    return _trained("sft", run)


def dpo(run: Run) -> Row:
    """Train the second step, from the first."""
    return _trained("dpo", run)


def _trained(step: str, run: Run) -> Row:
    """Train a step, here or in several processes, and return its figures."""
    from empathic.student import launch, training

    display, out = run.display, run.path("student", step)
    if run.processes > 1:
        result = launch.train(step, run.folder, run.processes, display.step, display.note)
    elif step == "sft":
        result = training.sft(run.rows("corpus", "sft.jsonl"), run.recipe, out, display.step, display.note)
    else:
        pairs, adapter = run.rows("corpus", "preferences.jsonl"), run.path("student", "sft")
        result = training.dpo(pairs, run.recipe, adapter, out, display.step, display.note)
    return {key: value for key, value in result.items() if key != "history"}


def phone(run: Run) -> Row:
    """Base and students become GGUF by one path; then the last of them is held against its merged model."""
    from empathic.phone import gguf, parity
    from empathic.student import load as student
    from empathic.student import prompt

    settings, quants = run.recipe.student, run.recipe.phone.quants
    steps, done = 3 * (1 + len(quants)) + 1, 0
    facts: Row = {}
    merged = run.path("phone", ".merged")
    for system in ("base", "sft", "dpo"):
        shutil.rmtree(merged, ignore_errors=True)
        adapter = None if system == "base" else run.path("student", system)
        student.merge(settings.model, settings.template, adapter, merged)
        run.display.step(done := done + 1, steps)
        for quant in quants:
            out = run.path("phone", f"{system}-{quant}.gguf")
            gguf.convert(merged, out, quant)
            facts[out.name] = out.stat().st_size
            run.display.step(done := done + 1, steps)
    utterances = [d.utterance for d in run.dialogues("test")[:4]]
    with open_endpoint(f"local:{run.gguf('dpo')}") as endpoint:
        found = parity.check(endpoint, merged, prompt.instruction(settings.prompt), utterances)
    shutil.rmtree(merged)
    files.write_json(run.path("phone", "parity.json"), found.to_row())
    run.display.step(steps, steps)
    if not found.holds:
        raise UserError(
            f"{run.gguf('dpo')}: doesn't answer as the merged model does (see parity.json beside it); "
            "check student.template"
        )
    return {"bytes": facts, "parity": found.to_row()}


def _sampled(run: Run, n: int | None, among: Collection[str] | None = None) -> list[Dialogue]:
    """So many test dialogues, or all, those with ids `among` where given: a seeded sample that larger ones contain."""
    tests = run.dialogues("test")
    order = random.Random(run.recipe.seed).sample(range(len(tests)), len(tests))
    drawn = [i for i in order if among is None or tests[i].id in among]
    return [tests[i] for i in sorted(drawn[: len(drawn) if n is None else n])]


def replies(run: Run) -> Row:
    """What is judged is what ships: replies come from the GGUF files, through the endpoint client."""
    from empathic.student import prompt

    settings = run.recipe.student
    told = prompt.instruction(settings.prompt)
    sample = run.recipe.sample
    tests = {
        system: _sampled(run, n) for system, n in (("base", sample.base), ("sft", sample.sft), ("dpo", sample.dpo))
    }
    advance = run.counter(sum(map(len, tests.values())))
    stopped: Row = {}
    with run.ledger() as ledger:
        for system, dialogues in tests.items():
            requests = [
                Request(
                    prompt.messages(told, d.utterance),
                    settings.max_tokens,
                    settings.temperature,
                    seed=run.recipe.seed,
                )
                for d in dialogues
            ]
            with open_endpoint(f"local:{run.gguf(system)}", parallel=2) as endpoint:
                answers = ask(endpoint, requests, ledger, "replies", advance)
            files.write_jsonl(
                run.path("replies", f"{system}.jsonl"),
                (
                    {
                        "id": d.id,
                        "emotion": d.emotion,
                        "situation": d.situation,
                        "utterance": d.utterance,
                        "reply": answer.text,
                    }
                    for d, answer in zip(dialogues, answers, strict=True)
                ),
            )
            stopped[system] = sum(answer.finish == "stop" for answer in answers) / max(1, len(answers))
    return {"stopped": stopped}


def judge(run: Run) -> Row:
    """Score every reply by both measures, every judge against its controls too, and pair them up."""
    from empathic.judge import controls, verdicts
    from empathic.judge.epitome import Scorer
    from empathic.judge.results import results
    from empathic.judge.scoring import Set, score
    from empathic.judge.specificity import Specificity
    from empathic.student import prompt

    recipe = run.recipe
    tests = run.dialogues("test")
    systems = {name: verdicts.read_replies(run.path("replies", f"{name}.jsonl"))[1] for name in ("base", "sft", "dpo")}
    opponents = recipe.opponents({origin for d in tests for origin in d.replies})
    known = {
        origin: {d.id: d.replies[origin].text for d in _sampled(run, n) if origin in d.replies}
        for origin, n in opponents.items()
    }
    if recipe.sample.known and (silent := [origin for origin, replies in known.items() if not replies]):
        raise UserError(f"sample.known: none of the test dialogues drawn has a reply of {silent[0]!r}; draw more")
    systems |= {origin: replies for origin, replies in known.items() if replies}
    compared = list(systems)
    own = _trusted(tests, recipe) or systems["dpo"]
    systems |= verdicts.control_systems([d.id for d in _sampled(run, recipe.sample.controls, own)], own, recipe.seed)
    pairs = [("dpo", "base"), ("sft", "base"), ("dpo", "sft"), ("dpo", "stock")]
    pairs += [(student, origin) for origin in compared[3:] for student in ("dpo", "sft")]
    asked = Set(
        [verdicts.Tested.of(d) for d in tests],
        systems,
        [*pairs, *verdicts.control_pairs()],
        unasked={"stock": dict.fromkeys(systems["dpo"], controls.STOCK)},
    )
    with run.ledger() as ledger:
        told = prompt.instruction(recipe.student.prompt)
        scorer = Specificity(recipe.student.model, recipe.student.template, told, ledger)
        progress, say = run.display.step, run.display.note
        levels = Scorer(Path(recipe.levels)) if recipe.levels else None
        (scores,) = score([asked], recipe.judge, ledger, scorer, recipe.seed, progress, say, levels)
    named = {f"{a}-{b}": (a, b) for a, b in pairs}
    named |= dict(zip((f"control-{name}" for name in controls.CONTROLS), verdicts.control_pairs(), strict=True))
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


def report(run: Run) -> Row:
    """Write the summary, its tables and the page."""
    from empathic.report import page, summary, tables

    summary.write(run.folder)
    tables.write(run.folder)
    page.write(run.folder)
    return {}
