"""The teacher stage: recorded replies; or a live teacher that is asked, the best of its samples chosen and filtered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue, Reply
from empathic.endpoints import batch_api, pricing
from empathic.endpoints.client import Client
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import local_name, open_endpoint
from empathic.errors import UserError
from empathic.judge.measures import behaviours
from empathic.pipeline.fitting import check_lengths
from empathic.pipeline.stage import Forecast, Stage
from empathic.recipe import Recipe
from empathic.run import Row, Run
from empathic.teacher import batch, live, recorded
from empathic.teacher.filters import ReplyFilter
from empathic.teacher.journal import ReplyJournal

_KEYS = ("endpoint", "model", "temperature", "max_tokens", "extra_body", "prompts", "best_of", "filters")
Choose = Callable[[Dialogue, list[str]], str]


def work(run: Run) -> Row:
    """Collect what the teacher replies, recorded or live; what the student can't read is refused before."""
    check_lengths(run)
    if run.recipe.teacher.endpoint:
        return _ask(run)
    if run.recipe.method.name != "direct":
        raise UserError(f"teacher.endpoint: {run.recipe.method.name} needs a teacher to ask; name its endpoint")
    rows = recorded.replies(run.each_dialogue("train"), run.recipe.method.teachers)
    return {"replies": files.write_jsonl(run.teacher_file, rows)}


def _ask(run: Run) -> Row:
    """Ask the teacher and write `teacher.jsonl`.

    Dialogues without a usable answer stand in `aside.jsonl`, and the next run asks them again.

    Raises:
        UserError: a teacher that can't be asked, a budget that is used up, or not one reply to learn from.
        BatchPending: batches are under way.
    """
    live.strategies_of(run.recipe)
    if doubt := ranked_by_a_judge(run.recipe):
        run.display.note(doubt)
    journal = ReplyJournal(run.folder)
    skipped: list[Row] = []
    taught = live.origin_of(run.recipe.method)
    to_learn_from = passed_over = 0  # replies that the corpus is made of; dialogues without one to improve
    dimensions: Counter[str] = Counter()
    filters = ReplyFilter(run.recipe.teacher.filters)
    with run.ledger() as ledger:
        with _teacher(run) as endpoint:
            for _ in journal.keep(_rows(run, journal, endpoint, ledger)):
                pass

        def kept(choose: Choose) -> Iterator[Row]:
            nonlocal to_learn_from, passed_over
            for dialogue, rows in zip(run.each_dialogue("train"), journal.lines(), strict=True):
                passed_over += not rows
                for row in rows:
                    if "aside" in row:
                        skipped.append(row)
                        continue
                    if "samples" in row:
                        row["reply"] = choose(dialogue, row["samples"])
                    if row is rows[-1] and not filters.passes(dialogue, row["reply"]):
                        continue
                    to_learn_from += row["teacher"] == taught
                    dimensions.update([row["dimension"]] if "dimension" in row else [])
                    yield row

        with _best(run, ledger) as choose:
            replies = files.write_jsonl(run.teacher_file, kept(choose))
    files.write_jsonl(run.path("aside.jsonl"), skipped)
    journal.close(bool(skipped))
    if skipped:
        run.display.note(
            f"{len(skipped)} dialogues got no usable reply (aside.jsonl says why); the next run asks again"
        )
    if not to_learn_from:
        raise UserError(f"teacher: not one reply; {_why_none(run.recipe, skipped, filters.removed, passed_over)}")
    facts = {
        "replies": replies,
        "aside": len(skipped),
        "removed": dict(filters.removed),
        "dimensions": dict(dimensions),
    }
    return {key: value for key, value in facts.items() if value}


def _why_none(recipe: Recipe, skipped: list[Row], removed: Counter[str], passed_over: int) -> str:
    """What became of the dialogues of a teacher that gave no reply to learn from, by counts."""
    why = []
    if skipped:
        reasons = Counter(row["aside"] for row in skipped)
        why.append("; ".join(f"{reason} ({count:,} dialogues)" for reason, count in reasons.most_common(2)))
    if removed:
        why.append(f"teacher.filters removed {', '.join(f'{of:,} by {name}' for name, of in removed.most_common())}")
    if passed_over:
        lack = f"a reply of {recipe.method.rejected[0]!r}"
        why.append(f"{passed_over:,} dialogues lack {lack}" if why else f"no train dialogue has {lack}")
    return "; ".join(why)


@contextmanager
def _teacher(run: Run) -> Iterator[Endpoint]:
    asked = run.recipe.teacher
    where, more = str(asked.endpoint), asked.extra_body
    with open_endpoint(where, asked.model, asked.key_env, log=run.display.note, extra_body=more) as endpoint:
        limits = asked.model_dump(include={"max_connections", "timeout", "requests_per_minute", "tokens_per_minute"})
        yield endpoint if endpoint.capabilities.serial else replace(endpoint, **limits)


def _rows(run: Run, journal: ReplyJournal, endpoint: Endpoint, ledger: Ledger) -> Iterator[list[Row]]:
    """Every dialogue's rows, as they come."""
    asked, total = run.recipe.teacher, run.manifest.stages["dialogues"].facts["train"]
    prices = None if endpoint.capabilities.free else pricing.prices(asked.model, asked.prices, asked.batch)
    budget = pricing.Budget(prices, asked.budget, ledger.spent(endpoint.identity))
    known, advance = journal.known(run.each_dialogue("train")), run.counter(total)
    if asked.batch:
        return batch.replies(known, run.recipe, batch_api.BatchClient(endpoint, ledger, budget), advance)
    return live.replies(known, run.recipe, Client(endpoint, ledger, budget), advance)


@contextmanager
def _best(run: Run, ledger: Ledger) -> Iterator[Choose]:
    """How the best of several samples is chosen: the one that the ranker likes most by behaviours."""
    if run.recipe.teacher.best_of == 1:
        yield lambda dialogue, samples: samples[0]
        return
    ranker = run.recipe.ranker or run.recipe.judge[0]
    where, key = ranker.endpoint, ranker.key_env
    with open_endpoint(where, ranker.model, key, log=run.display.note, extra_body=ranker.extra_body) as endpoint:

        def best(dialogue: Dialogue, samples: list[str]) -> str:
            asked = [behaviours.JudgedReply(dialogue.utterance, sample, dialogue.emotion) for sample in samples]
            odds = behaviours.score(endpoint, asked, ledger, of=behaviours.questions(ranker.questions))
            liked = [(bool(of), sum(of.values()) / max(1, len(of))) for of in odds]  # unanswered is no opinion: last
            return samples[liked.index(max(liked))]

        yield best


def ranked_by_a_judge(recipe: Recipe) -> str | None:
    """A warning where one model chooses what the student learns from and then judges the student, else None."""
    if not recipe.teacher.endpoint or recipe.teacher.best_of == 1:
        return None
    ranker = recipe.ranker or recipe.judge[0]
    same = [judge.name for judge in recipe.judge if (judge.endpoint, judge.model) == (ranker.endpoint, ranker.model)]
    if not same:
        return None
    what = "the ranker is the same model as" if recipe.ranker else "there is no ranker, so replies are chosen by"
    return f"{what} the judge {same[0]}, which then favours the student that learns from its choice; set `ranker`"


def forecast(of: Forecast) -> str:
    """What the teacher would be asked, and what that would cost."""
    recipe = of.recipe
    if not recipe.teacher.endpoint:
        return f"recorded: {', '.join(recipe.method.teachers)}; nothing is sent, nothing is paid"
    count, tokens = live.estimate(of.train, recipe)
    local = local_name(recipe.teacher.endpoint) is not None
    prices = pricing.prices(recipe.teacher.model, recipe.teacher.prices, recipe.teacher.batch)
    price = "nothing to pay" if local else "price unknown" if not prices else f"${pricing.cost(prices, tokens):.2f}"
    hoped = {origin: Reply(f"(what the teacher will say, {origin})") for origin in live.origins_of(recipe)}
    improves, first = live.strategies_of(recipe)[0].improves, recipe.method.rejected[0]
    of.train = [d if improves and first not in d.replies else d.with_replies(hoped) for d in of.train]
    whom = recipe.teacher.model or recipe.teacher.endpoint
    return f"about {count:,} requests to {whom}, {sum(tokens):,} tokens, {price}"


def _inputs(run: Run) -> list[Path]:
    ranker = run.recipe.ranker
    own = [Path(ranker.questions)] if ranker and ranker.questions else []
    return [run.dialogues_file, *map(Path, run.recipe.teacher.prompts.values()), *own]


STAGE = Stage(
    "teacher",
    about="what the teacher replies",
    keys=("method", "strategy", "seed", "ranker", *(f"teacher.{key}" for key in _KEYS)),
    inputs=_inputs,
    outputs=lambda run: [run.teacher_file],
    work=work,
    forecast=forecast,
    partial=lambda run: [run.path("teacher.part.jsonl"), run.path("teacher.before.jsonl")],
)
