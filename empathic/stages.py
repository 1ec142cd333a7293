"""The stages of a run in their order: what each reads, what it writes, and how.

A stage reads what earlier stages wrote, through the run's folder alone.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from empathic import files
from empathic.dialogues import Dialogue, Reply, guard, load
from empathic.endpoint import Request, ask, open_endpoint
from empathic.errors import UserError
from empathic.ledger import Ledger
from empathic.recipe import Recipe

Row = dict[str, Any]


class Display(Protocol):
    """Where a run tells how far it is."""

    def begin(self, stage: str) -> None:
        """A stage starts."""

    def step(self, done: int, total: int) -> None:
        """The stage has done so many of so many steps."""

    def end(self, stage: str, seconds: float, kept: bool) -> None:
        """A stage ended, or was kept from before."""

    def note(self, text: str) -> None:
        """Something a person should know."""


class Run:
    """A run's folder, its recipe and what it knows of its stages."""

    def __init__(self, recipe: Recipe, folder: Path, display: Display) -> None:
        self.recipe, self.folder, self.display = recipe, folder, display
        self.manifest: dict[str, Any] = {"stages": {}}
        if (folder / "manifest.json").exists():
            self.manifest = files.read_json(folder / "manifest.json")

    def path(self, *parts: str) -> Path:
        """A place in the run's folder."""
        return self.folder.joinpath(*parts)

    def rows(self, *parts: str) -> list[Row]:
        """The rows of one of the run's JSONL files."""
        return list(files.read_jsonl(self.path(*parts)))

    def dialogues(self, split: str) -> list[Dialogue]:
        """The run's dialogues of a split, in the source's order."""
        return [d for d in map(Dialogue.from_row, self.rows("dialogues.jsonl")) if d.split == split]

    def gguf(self, system: str) -> Path:
        """The file of a system that is judged: the first quant."""
        return self.path("phone", f"{system}-{self.recipe.phone.quants[0]}.gguf")

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The run's ledger, or the one it shares."""
        ledger = Ledger(Path(self.recipe.ledger) if self.recipe.ledger else self.path("ledger.sqlite"))
        try:
            yield ledger
        finally:
            ledger.close()

    def save(self) -> None:
        """Write the manifest."""
        files.write_json(self.path("manifest.json"), self.manifest)


def value_at(recipe: Row, key: str) -> Any:
    """The value of a dotted key."""
    for part in key.split("."):
        recipe = recipe[part]
    return recipe


@dataclass(frozen=True)
class Stage:
    """One stage: the recipe keys and the files that determine what it writes, and the work itself.

    `work` returns facts for the manifest. `partial` names what a killed attempt leaves behind.
    """

    name: str
    keys: tuple[str, ...]
    inputs: Callable[[Run], list[Path]]
    outputs: tuple[str, ...]
    work: Callable[[Run], Row]
    partial: tuple[str, ...] = ()

    def wants(self, run: Run) -> Row:
        """What the stage's outputs depend on: recipe values and hashes of inputs."""
        values = {key: value_at(run.recipe.model_dump(), key) for key in self.keys}
        names = {
            p: str(p.relative_to(run.folder)) if p.is_relative_to(run.folder) else p.name for p in self.inputs(run)
        }
        return {"recipe": values, "inputs": {name: files.sha256(path) for path, name in names.items()}}


def _dialogues(run: Run) -> Row:
    found = load.load(run.recipe.dialogues, run.recipe.seed)
    kept, dropped = guard.drop_leaks(found)
    files.write_jsonl(run.path("dialogues.jsonl"), (d.to_row() for d in kept))
    counts = {split: sum(d.split == split for d in kept) for split in ("train", "test")}
    return {**counts, "leaks_dropped": dropped}


def _teacher(run: Run) -> Row:
    from empathic.teacher import recorded

    rows = recorded.replies(run.dialogues("train"), run.recipe.method.teachers)
    return {"replies": files.write_jsonl(run.path("teacher.jsonl"), rows)}


def _corpus(run: Run) -> Row:
    from empathic.corpus import direct

    dialogues = {d.id: d for d in run.dialogues("train")}
    for row in run.rows("teacher.jsonl"):
        dialogues[row["id"]].replies[row["teacher"]] = Reply(row["reply"], row["rating"])
    corpus = direct.build(list(dialogues.values()), run.recipe.method, run.recipe.seed)
    files.write_jsonl(run.path("corpus", "sft.jsonl"), corpus.sft)
    files.write_jsonl(run.path("corpus", "preferences.jsonl"), corpus.preferences)
    return corpus.counts()


def _sft(run: Run) -> Row:
    from empathic.student import training

    result = training.sft(run.rows("corpus", "sft.jsonl"), run.recipe, run.path("student", "sft"), run.display.step)
    return {key: value for key, value in result.items() if key != "history"}


def _dpo(run: Run) -> Row:
    from empathic.student import training

    pairs, adapter = run.rows("corpus", "preferences.jsonl"), run.path("student", "sft")
    result = training.dpo(pairs, run.recipe, adapter, run.path("student", "dpo"), run.display.step)
    return {key: value for key, value in result.items() if key != "history"}


def _phone(run: Run) -> Row:
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


def _sampled(run: Run, system: str) -> list[Dialogue]:
    """The test dialogues a system is judged on: all, or a seeded sample that larger samples contain."""
    tests = run.dialogues("test")
    sample = run.recipe.sample
    n = getattr(sample, system) if system in ("base", "sft", "dpo", "controls") else sample.known[system]
    order = random.Random(run.recipe.seed).sample(range(len(tests)), len(tests))
    return [tests[i] for i in sorted(order[: len(tests) if n is None else n])]


def _replies(run: Run) -> Row:
    """What is judged is what ships: replies come from the GGUF files, through the endpoint client."""
    from empathic.student import prompt

    settings = run.recipe.student
    told = prompt.instruction(settings.prompt)
    tests = {system: _sampled(run, system) for system in ("base", "sft", "dpo")}
    total, done = sum(map(len, tests.values())), 0

    def advance() -> None:
        nonlocal done
        run.display.step(done := done + 1, total)

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


def _judge(run: Run) -> Row:
    from empathic.judge import controls, verdicts
    from empathic.judge.specificity import Specificity
    from empathic.student import prompt

    recipe = run.recipe
    tests = run.dialogues("test")
    tested = [verdicts.Tested(d.id, d.utterance) for d in tests]
    systems = {name: verdicts.read_replies(run.path("replies", f"{name}.jsonl"))[1] for name in ("base", "sft", "dpo")}
    for origin in recipe.sample.known:
        systems[origin] = {d.id: d.replies[origin].text for d in _sampled(run, origin) if origin in d.replies}
        if not systems[origin]:
            raise UserError(f"sample.known: no test dialogue has a reply of {origin!r}")
    own = _trusted(tests, recipe) or systems["dpo"]
    control = verdicts.control_systems([d.id for d in _sampled(run, "controls")], own, recipe.seed)
    systems |= control
    stock = dict.fromkeys(systems["dpo"], controls.STOCK)
    total = 3 * sum(map(len, systems.values())) + sum(map(len, systems.values())) - len(control["stock"]) + len(stock)
    done = 0

    def advance() -> None:
        nonlocal done
        run.display.step(done := done + 1, total)

    scores = verdicts.Scores()
    with run.ledger() as ledger:
        judge = recipe.judge[0]
        with open_endpoint(judge.endpoint, judge.model, judge.key_env, say=run.display.note) as endpoint:
            verdicts.score_behaviours(tested, systems, endpoint, ledger, scores, advance)
        told = prompt.instruction(recipe.student.prompt)
        scorer = Specificity(recipe.student.model, recipe.student.template, told, ledger)
        verdicts.score_specificity(tested, {**systems, "stock": stock}, scorer, recipe.seed, scores, advance)
    pairs = [("dpo", "base"), ("sft", "base"), ("dpo", "sft"), ("dpo", "stock")]
    pairs += [("dpo", origin) for origin in recipe.sample.known]
    rates = []
    for a, b in pairs:
        rows, found = verdicts.compare(a, b, scores)
        files.write_jsonl(run.path("verdicts", f"{a}-{b}.jsonl"), rows)
        rates += [rate.to_row() for rate in found]
    tried = verdicts.control_rates(scores)
    for name in controls.CONTROLS:
        worse = "stock" if name == "stock" else f"control:{name}"
        files.write_jsonl(
            run.path("verdicts", f"control-{name}.jsonl"), verdicts.compare("control:own", worse, scores)[0]
        )
    return {
        "judge": judge.name,
        "win_rates": rates,
        "controls": {
            by: {
                name: {"rate": round(r.estimate, 4), "n": r.n, "passes": controls.passes(r)}
                for name, r in found.items()
            }
            for by, found in tried.items()
        },
    }


def _trusted(tests: list[Dialogue], recipe: Recipe) -> dict[str, str]:
    """Replies to test the judge with: the teacher's known ones, or people's."""
    for origin in (*recipe.method.teachers, "human"):
        known = {d.id: d.replies[origin].text for d in tests if origin in d.replies}
        if len(known) > 1:
            return known
    return {}


def _report(run: Run) -> Row:
    from empathic.report import page, summary

    summary.write(run.folder)
    page.write(run.folder)
    return {}


_STUDENT = ("student.model", "student.template")
_REPLIES = ("base.jsonl", "sft.jsonl", "dpo.jsonl")

STAGES = (
    Stage(
        "dialogues",
        ("dialogues", "seed"),
        lambda run: load.files_of(run.recipe.dialogues),
        ("dialogues.jsonl",),
        _dialogues,
    ),
    Stage(
        "teacher",
        ("method.teachers",),
        lambda run: [run.path("dialogues.jsonl")],
        ("teacher.jsonl",),
        _teacher,
    ),
    Stage(
        "corpus",
        ("method", "seed"),
        lambda run: [run.path("dialogues.jsonl"), run.path("teacher.jsonl")],
        ("corpus/sft.jsonl", "corpus/preferences.jsonl"),
        _corpus,
    ),
    Stage(
        "sft",
        (*_STUDENT, "student.prompt", "sft", "seed"),
        lambda run: [run.path("corpus", "sft.jsonl")],
        ("student/sft", "student/sft.json"),
        _sft,
        ("student/.sft-checkpoints",),
    ),
    Stage(
        "dpo",
        (*_STUDENT, "student.prompt", "dpo", "seed"),
        lambda run: [run.path("corpus", "preferences.jsonl"), run.path("student", "sft")],
        ("student/dpo", "student/dpo.json"),
        _dpo,
        ("student/.dpo-checkpoints",),
    ),
    Stage(
        "phone",
        (*_STUDENT, "student.prompt", "phone"),
        lambda run: [run.path("student", "sft"), run.path("student", "dpo"), run.path("dialogues.jsonl")],
        ("phone/parity.json",),
        _phone,
    ),
    Stage(
        "replies",
        (
            "student.prompt",
            "student.max_tokens",
            "student.temperature",
            "sample.base",
            "sample.sft",
            "sample.dpo",
            "seed",
        ),
        lambda run: [run.path("dialogues.jsonl"), *(run.gguf(system) for system in ("base", "sft", "dpo"))],
        tuple(f"replies/{name}" for name in _REPLIES),
        _replies,
    ),
    Stage(
        "judge",
        (*_STUDENT, "student.prompt", "method.teachers", "judge", "sample", "seed"),
        lambda run: [run.path("dialogues.jsonl"), *(run.path("replies", name) for name in _REPLIES)],
        ("verdicts",),
        _judge,
    ),
    Stage(
        "report",
        (),
        lambda run: [
            run.path("recipe.yaml"),
            *(run.path("replies", name) for name in _REPLIES),
            run.path("verdicts"),
        ],
        ("summary.json", "report.html"),
        _report,
    ),
)
