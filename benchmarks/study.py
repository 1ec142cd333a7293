"""The paper's two claims on a student of 135M parameters: `make study`, or `FULL=1 make study`.

    python benchmarks/study.py [--full] [--students chatgpt,all-four] [--out runs/study] [--set KEY=VALUE]

Claim 1, two-step fine-tuning beats the base: students of ChatGPT's replies, and of all four LLMs', after SFT and after
SFT and DPO; tested on 100 of the paper's 250 dialogues and on 100 drawn at random from EmpatheticDialogues' test split,
none of the paper's 2,000 among them. Claim 2, targeted prompts beat direct prompting: students of Everyday's `direct`
and of its `targeted` replies, and of a local teacher's replies to the same 200 dialogues, asked directly, for the
dimension that lacks, and in sequence. `--full`: each LLM alone too, three epochs, 250 and 500 dialogues.

Every student is a run of its own under `--out`, and goes on where it was killed; all share one ledger. The figures are
printed as Markdown and written to benchmarks/study.json, where those of students that this call leaves out stay.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from empathic import files
from empathic.cli.progress import Progress
from empathic.dialogues import sources
from empathic.dialogues.leakage import normal
from empathic.judge import verdicts
from empathic.judge.comparisons import comparisons, headline
from empathic.judge.controls import STOCK_SYSTEM
from empathic.pipeline import runner
from empathic.recipe import Dialogues, Recipe, load_recipe
from empathic.run import Run
from empathic.stats.paired import paired_difference
from empathic.stats.win_rate import rounded, win_rate

SEED = 42
MEASURES = (*verdicts.MEASURES, "agreed")
LLMS = ("chatgpt", "llama", "gemini", "mixtral")
OUT = Path(__file__).with_suffix(".json")
DIFFERENCES = (  # the first's student against the second's
    ("all-four", "chatgpt"),
    ("everyday-targeted", "everyday-direct"),
    ("local-lacking", "local-direct"),
    ("local-sequence", "local-direct"),
)
Outcomes = dict[str, dict[str, float]]  # dialogue id -> measure -> 1, 0.5 or 0
Row = dict[str, Any]
Figures = dict[str, list[Row]]


def dialogues(folder: Path, hard: int, drawn: int, taught: int) -> None:
    """Write the paper's train dialogues, `hard` of its test ones and `drawn` of EmpatheticDialogues' to `rated.jsonl`,
    and `taught` of the train ones with the same tests to `taught.jsonl`."""
    rated = sources.load_dialogues(Dialogues(source="welivita", split="paper"), SEED)
    train = [d for d in rated if d.split == "train"]
    known = {normal(d.utterance) for d in rated}
    others = sources.load_dialogues(Dialogues(source="empathetic-dialogues"), SEED)
    fresh = [d for d in others if d.split == "test" and "human" in d.replies and normal(d.utterance) not in known]
    dice = random.Random(SEED)
    tests = [
        dataclasses.replace(d, id=f"{slice_} {d.id}")
        for slice_, pool, count in (("hard", [d for d in rated if d.split == "test"], hard), ("random", fresh, drawn))
        for d in dice.sample(pool, count)
    ]
    for name, learnt in (("rated", train), ("taught", dice.sample(train, taught))):
        files.write_jsonl(folder / f"{name}.jsonl", (d.to_row() for d in [*learnt, *tests]))


def students(folder: Path, full: bool, own: list[str]) -> dict[str, Recipe]:
    """The recipe of every student, by name; `own` are settings for all of them."""
    epochs = 3 if full else 1
    rated = [f"dialogues.source={folder}/rated.jsonl", "dialogues.split=source"]
    rated += [f"steps.{step}.epochs={epochs}" for step in ("sft", "dpo")]
    rated.append("sample={systems: {sft: null}, references: {human: null}}")
    taught = [f"dialogues.source={folder}/taught.jsonl", "dialogues.split=source", "sample={controls: 16}"]
    of = {"chatgpt": ("chatgpt",), "all-four": LLMS} | ({llm: (llm,) for llm in LLMS} if full else {})
    every = {name: ("direct", [*rated, f"method.teachers=[{','.join(llms)}]"]) for name, llms in of.items()}
    for origin in ("direct", "targeted"):
        chosen = [f"method.teachers=[{origin}]", "method.rejected=[ordinary]", "sample={}"]
        every[f"everyday-{origin}"] = ("demo", chosen)
    for name, method, strategy in (
        ("local-direct", "direct", "lacking-dimension"),
        ("local-lacking", "llm-improved", "lacking-dimension"),
        ("local-sequence", "llm-improved", "in-sequence"),
    ):
        asked = [f"method={{name: {method}, rejected: [human]}}", f"strategy={strategy}"]
        every[name] = ("llm-improved", [*taught, *asked])
    return {
        name: load_recipe(base, [*settings, f"name={name}", f"ledger={folder}/ledger.sqlite", *own])
        for name, (base, settings) in every.items()
    }


def outcomes(run: Run, pair: tuple[str, str]) -> Outcomes:
    """Who won each dialogue of a pair of a run's systems."""
    return {row["id"]: row["outcomes"] for row in files.read_jsonl(run.verdicts(*pair))}


def slices(ids: Iterable[str]) -> dict[str, list[str]]:
    """Test dialogues by where they come from: the paper's `hard` ones, the `random` ones, `both`, or `everyday`."""
    found: dict[str, list[str]] = {}
    for id in ids:
        found.setdefault(id.split(" ")[0] if " " in id else "everyday", []).append(id)
    return found | ({"both": [id for of in found.values() for id in of]} if len(found) > 1 else {})


def rates(name: str, folder: Path) -> Iterator[Row]:
    """Win rates of a run's students over the base and over the step before, and of the last over people."""
    run = Run.open(folder)
    for pair in comparisons(run.recipe, ["human"]):
        if not run.verdicts(*pair).exists() or pair.b == STOCK_SYSTEM:
            continue
        found = outcomes(run, pair)
        for slice_, ids in slices(found).items():
            for measure in MEASURES:
                rate = win_rate(*pair, measure, [found[id][measure] for id in ids])
                yield {"student": name, "slice": slice_, **rate.to_row()}


def differences(one: str, other: str, folder: Path) -> Iterator[Row]:
    """By how much the one student's last step beats the base more often than the other's, on the same dialogues."""
    runs = [Run.open(folder / name) for name in (one, other)]
    of_one, of_other = (outcomes(run, headline(run.recipe)) for run in runs)
    for slice_, ids in slices(sorted(of_one.keys() & of_other.keys())).items():
        for measure in MEASURES:
            found = [{id: of[id][measure] for id in ids} for of in (of_one, of_other)]
            row = {"first": one, "second": other, "slice": slice_, "measure": measure}
            yield row | rounded(paired_difference(*found))


def tables(found: Figures) -> Iterator[str]:
    """The figures as Markdown: a row a student, slice and pair, then a row a slice and two students."""
    yield from _table(
        ("student", "tested on", "win rate of"),
        [
            ((row["student"], row["slice"], f"{row['a']} over {row['b']}"), row["measure"], row)
            for row in found["rates"]
        ],
        lambda row: f"{row['estimate']:.0%} ({100 * row['low']:.0f} to {100 * row['high']:.0f})",
    )
    yield ""
    yield from _table(
        ("points more over the base", "than", "tested on"),
        [((row["first"], row["second"], row["slice"]), row["measure"], row) for row in found["differences"]],
        lambda row: (
            f"{100 * row['estimate']:+.0f} ({100 * row['low']:+.0f} to {100 * row['high']:+.0f}), "
            + (f"p = {row['p']:.2f}" if row["p"] >= 0.01 else "p < 0.01")
        ),
    )


def _table(
    heads: Sequence[str], cells: Iterable[tuple[tuple[str, ...], str, Row]], shown: Callable[[Row], str]
) -> Iterator[str]:
    """Lines of a table that has a column a measure: from what names a row, the measure, and its figures."""
    rows: dict[tuple[str, ...], Row] = {}
    for names, measure, row in cells:
        rows.setdefault(names, {"n": row["n"]})[measure] = shown(row)
    columns = (*MEASURES, "n")
    yield f"| {' | '.join((*heads, *columns))} |"
    yield "|---" * (len(heads) + len(columns)) + "|"
    for names, of in rows.items():
        yield f"| {' | '.join((*names, *(str(of[column]) for column in columns)))} |"


def write(about: dict[str, Any], name: str, new: Figures) -> Figures:
    """Put the figures of a student beside those that calls of the same kind found of others; returns all."""
    with FileLock(OUT.with_suffix(".lock")):
        found = files.read_json(OUT) if OUT.exists() else {}
        if {key: found.get(key) for key in about} != about:
            found = {"rates": [], "differences": []}
        all_: Figures = {
            "rates": [row for row in found["rates"] if row["student"] != name] + new["rates"],
            "differences": [row for row in found["differences"] if row["first"] != name] + new["differences"],
        }
        files.write_json(OUT, {**about, **all_})
    return all_


def main() -> None:
    parser = argparse.ArgumentParser(description="The paper's two claims on a small student.")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--students", help="which, by name; default: all")
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE for every recipe")
    given = parser.parse_args()
    folder = given.out.resolve()
    hard, drawn = (250, 500) if given.full else (100, 100)
    dialogues(folder, hard, drawn, 200)
    every = students(folder, given.full, given.set)
    names = given.students.split(",") if given.students else list(every)
    if unknown := sorted(set(names) - set(every)):
        parser.error(f"--students: {unknown[0]!r} is none; known: {', '.join(every)}")
    about = {"seed": SEED, "full": given.full}
    for name in names:
        with Progress() as display:
            runner.run_pipeline(every[name], folder / name, display)
        new: Figures = {"rates": list(rates(name, folder / name)), "differences": []}
        for one, other in DIFFERENCES:
            if name == one and (folder / other / "verdicts").exists():
                new["differences"] += differences(one, other, folder)
        found = write(about, name, new)
    print(*tables(found), sep="\n")


if __name__ == "__main__":
    main()
