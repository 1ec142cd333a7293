"""What a run would do, before it does anything."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from empathic import files, models, money
from empathic.corpus import direct, improved
from empathic.corpus.rows import Made, Row, Tally
from empathic.dialogues import Dialogue, Reply, guard, load
from empathic.judge.scoring import questions
from empathic.recipe import Recipe
from empathic.teacher import live


def plan(recipe: Recipe, folder: Path) -> list[tuple[str, str]]:
    """Lines of (stage, what it would do), from the recipe and its data; writes nothing.

    Raises:
        UserError: what the run itself would refuse at its first stages.
    """
    found = load.load(recipe.dialogues, recipe.seed)
    watch = guard.Guard(found)
    kept = [d for d in found if watch.passes(d)]
    train = [d for d in kept if d.split == "train"]
    tested = [d for d in kept if d.split == "test"]
    tests = len(tested)
    teacher, corpus = _taught(train, recipe)
    sft, pairs = corpus["sft"], corpus["preferences"]
    replies = [
        tests if n is None else min(n, tests) for n in (recipe.sample.base, recipe.sample.sft, recipe.sample.dpo)
    ]
    known = [
        tests if n is None else min(n, tests) for n in recipe.opponents({o for d in tested for o in d.replies}).values()
    ]
    judged = sum(replies) + sum(known) + 4 * min(recipe.sample.controls, tests)
    absent = [name for name in _models(recipe) if not models.cached(name).exists()]
    lines = [
        ("dialogues", f"{len(train)} to train on, {tests} to test on, {watch.dropped} dropped as leaks"),
        ("teacher", teacher),
        ("corpus", f"{sft} SFT examples, {pairs} preference pairs"),
        (
            "sft",
            f"{recipe.sft.epochs * math.ceil(sft / recipe.sft.batch_size)} steps on {recipe.student.model}",
        ),
        ("dpo", f"{recipe.dpo.epochs * math.ceil(pairs / recipe.dpo.batch_size)} steps"),
        ("phone", f"{3 * len(recipe.phone.quants)} GGUF files ({', '.join(recipe.phone.quants)})"),
        ("replies", f"{sum(replies)} replies from the files"),
        ("judge", _asked(recipe, judged, _pairs(replies, known, min(recipe.sample.controls, tests)))),
        ("report", str(folder / "report.html")),
    ]
    if absent:
        megabytes = sum(models.KNOWN[name].megabytes for name in absent)
        lines.insert(0, ("fetch", f"{', '.join(absent)} ({megabytes} MB, once)"))
    return [(stage, f"kept: {what}" if stage in _done(folder) else what) for stage, what in lines]


def _pairs(replies: list[int], known: list[int], controls: int) -> int:
    """How many pairs of replies the judge stage compares."""
    base, sft, dpo = replies
    against = sum(min(dpo, n) + min(sft, n) for n in known)
    return min(dpo, base) + min(sft, base) + min(dpo, sft) + min(dpo, controls) + against + 3 * controls


def _asked(recipe: Recipe, replies: int, pairs: int) -> str:
    return ", ".join(f"{questions(one, replies, pairs)} questions to {one.endpoint}" for one in recipe.judge)


def _taught(train: list[Dialogue], recipe: Recipe) -> tuple[str, Row]:
    """What the teacher would be asked and would cost, and how much of a corpus would come of it."""
    if not recipe.teacher.endpoint:
        said = f"recorded: {', '.join(recipe.method.teachers)}; nothing is sent, nothing is paid"
        return said, _counts(direct.build(lambda: train, recipe.method, recipe.seed))
    count, tokens = live.estimate(train, recipe)
    local = recipe.teacher.endpoint.startswith("local:")
    prices = money.prices(recipe.teacher.model, recipe.teacher.prices, recipe.teacher.batch)
    price = "nothing to pay" if local else "price unknown" if not prices else f"${money.cost(prices, tokens):.2f}"
    whom = recipe.teacher.model or recipe.teacher.endpoint
    said = f"about {count:,} requests to {whom}, {sum(tokens):,} tokens, {price}"
    for d in train:
        d.replies[live.origin_of(recipe.method)] = Reply("(what the teacher will say)")
    return said, _counts(improved.build(lambda: train, recipe.method, recipe.seed))


def _counts(made: Iterator[Made]) -> Row:
    tally = Tally()
    for _ in tally.watch(made):
        pass
    return tally.counts()


def _models(recipe: Recipe) -> list[str]:
    names = [recipe.student.model, *(judge.endpoint.removeprefix("local:") for judge in recipe.judge)]
    return [name for name in names if name in models.KNOWN]


def _done(folder: Path) -> set[str]:
    if not (folder / "manifest.json").exists():
        return set()
    stages = files.read_json(folder / "manifest.json")["stages"]
    return {name for name, stage in stages.items() if stage["status"] == "done"}
