"""The commands about judges: `empathic judge …`, and the options that others share with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

judges = typer.Typer(help="Judges, and how well they judge.", no_args_is_help=True, rich_markup_mode=None)
Endpoint = Annotated[str, typer.Option("--judge", help="Its endpoint: local:NAME, or a server's base URL.")]
Model = Annotated[str | None, typer.Option(help="The judge's model, where the server has several.")]
KeyEnv = Annotated[str | None, typer.Option(help="The environment variable that holds the judge's key.")]
Kept = Annotated[Path | None, typer.Option("--ledger", help="Where answers are kept; default: the user's cache.")]
Pairwise = Annotated[bool, typer.Option("--pairwise", help="Also ask which reply is better, in both orders.")]
AskLevels = Annotated[bool, typer.Option("--levels", help="Also ask for EPITOME's levels of three behaviours.")]
Questions = Annotated[str | None, typer.Option(help="A file of other questions about one reply.")]
Labels = Literal["readings", "epitome", "rated"]
Taught = Literal["readings", "epitome"]
Levels = Annotated[Path | None, typer.Option("--scorer", help="A scorer's folder, as judge train makes it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@judges.command("controls")
def judge_controls(
    judge: Endpoint = "local:qwen2.5-coder-1.5b",
    model: Model = None,
    key_env: KeyEnv = None,
    questions: Questions = None,
    pairwise: Pairwise = False,
    ledger: Kept = None,
    scorer: Levels = None,
    dialogues: Annotated[int | None, typer.Option(help="On how many dialogues; default: all.")] = None,
    half: Annotated[int | None, typer.Option(min=1, max=2, help="1 to choose by, 2 to report on.")] = None,
    emotions: Annotated[bool, typer.Option(help="Tell the judge what the writer feels.")] = True,
    each: Annotated[bool, typer.Option("--each", help="Also what each question tells alone.")] = False,
    json: Json = False,
) -> None:
    """Show what a judge can tell apart: a good reply from ones that are worse in one way each."""
    from empathic.cli import tables
    from empathic.cli.progress import Progress
    from empathic.judge.measures.epitome import Scorer
    from empathic.judge.trials import perturbations
    from empathic.recipe import Judge

    with Progress(quiet=json) as display:
        asked = Judge(endpoint=judge, model=model, key_env=key_env, questions=questions, pairwise=pairwise)
        levels = Scorer(scorer) if scorer else None
        progress = display.counting("judge")
        scores = perturbations.trial(asked, ledger, dialogues, progress, half=half, levels=levels, emotions=emotions)
    found = perturbations.results(scores, each)
    if json:
        print_json(found)
    else:
        tables.trials(found, perturbations.FAULTS, perturbations.WANTED)


@judges.command("lost")
def judge_lost(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    json: Json = False,
) -> None:
    """Measure what training cost: perplexity on plain text, and whether the student agrees with what is false."""
    from empathic.cli import tables
    from empathic.cli.progress import Progress
    from empathic.judge import regressions
    from empathic.run import Run

    run = Run.open(folder)
    with Progress(quiet=json) as display:
        found = regressions.measure(run, regressions.truths(), display.counting("judge"))
    print_json(found) if json else tables.lost(found)


@judges.command("train")
def judge_train(
    what: Annotated[Taught, typer.Argument(help="readings: what a reader would send; epitome: levels, by people.")],
    readings: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="Files of readings.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write; default: runs/ and the name.")] = None,
    model: Annotated[str | None, typer.Option(help="The small model that learns to score.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the labelled replies.")] = 3,
    half: Annotated[int | None, typer.Option(min=1, max=2, help="Learn from one half of the messages alone.")] = None,
    n: Annotated[int | None, typer.Option("--n", min=1, help="On how many replies; default: all.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order, the adapter and the heads.")] = 0,
    json: Json = False,
) -> None:
    """Train a scorer that needs no endpoint, and measure it on what it did not learn from.

    A scorer that ranks replies for training should not judge them too: two scorers, of --half 1 and 2, share no
    message.
    """
    from empathic.cli import reading_tables, tables
    from empathic.cli.progress import Progress
    from empathic.judge import classifier
    from empathic.judge.measures import epitome, reader
    from empathic.judge.trials import human_agreement, human_labels
    from empathic.reading import readings as kept
    from empathic.reading import trial

    folder = out or Path("runs") / {"readings": "reader", "epitome": "epitome"}[what]
    with Progress(quiet=json) as display:
        if what == "epitome":
            learnt, held = human_labels.epitome(human_labels.folder())
            epitome.train(learnt[:n], folder, model or epitome.MODEL, epochs, seed, display.counting("train"))
            levels = human_agreement.of_scorer(held[:n], epitome.Scorer(folder), display.counting("judge"))
            rows = {name: of.to_row() for name, of in levels.items()}
        else:
            read = trial.readable(kept.read(readings or []))
            taught = trial.labelled(trial.to_learn(read, half)[:n])
            learning = classifier.Learning(model or reader.MODEL, epochs, seed, reader.TOP)
            reader.train(taught, folder, learning, display.counting("train"))
            held_out = trial.held_out(read)[:n]
            new, scores = trial.scored_by(held_out, reader.Reader(folder), display.counting("judge"))
            reader.keep_errors(folder, trial.errors_on_students(new, scores))
            rows = trial.trial(new, scores).to_row()
    if json:
        print_json(rows)
    else:
        tables.levels(rows) if what == "epitome" else reading_tables.trials({"reading": rows})


@judges.command("agreement")
def judge_agreement(
    what: Annotated[
        Labels, typer.Argument(help="readings: what to send; epitome: levels; rated: which of two replies.")
    ],
    readings: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="Files of readings.")] = None,
    judge: Endpoint = "local:qwen2.5-coder-1.5b",
    model: Model = None,
    key_env: KeyEnv = None,
    questions: Questions = None,
    ledger: Kept = None,
    n: Annotated[int | None, typer.Option("--n", min=2, help="On how many replies or pairs; default: all.")] = None,
    scorer: Levels = None,
    json: Json = False,
) -> None:
    """Measure a judge against what people, or blind readers, said of the same replies.

    With --scorer it is the scorer that is measured, on messages that it did not learn from, and no judge is asked.
    """
    from empathic.cli import reading_tables, tables
    from empathic.cli.progress import Progress
    from empathic.judge.measures.epitome import Scorer
    from empathic.judge.measures.reader import Reader
    from empathic.judge.trials import human_agreement, human_labels
    from empathic.reading import readings as kept
    from empathic.reading import trial
    from empathic.recipe import Judge

    asked = Judge(endpoint=judge, model=model, key_env=key_env, questions=questions, pairwise=what == "rated")
    with Progress(quiet=json) as display:
        counting = display.counting("judge")
        if what == "readings":
            read = trial.readable(kept.read(readings or []))
            if scorer:
                found: Any = {"reading": trial.of_reader(read, Reader(scorer), counting, n).to_row()}
            else:
                found = {name: of.to_row() for name, of in trial.of_judge(read[:n], asked, ledger, counting).items()}
        elif what == "rated":
            found = human_agreement.of_preferences(human_labels.rated(0)[:n], asked, ledger, counting).to_row()
        else:
            replies = human_labels.epitome(human_labels.folder())[1][:n]
            if scorer:
                levels = human_agreement.of_scorer(replies, Scorer(scorer), counting)
            else:
                levels = human_agreement.of_levels(replies, asked, ledger, counting)
            found = {name: of.to_row() for name, of in levels.items()}
    if json:
        print_json(found)
    else:
        show = {"readings": reading_tables.trials, "rated": tables.preferences, "epitome": tables.levels}
        show[what](found)


def print_json(value: object) -> None:
    """Print what programs read."""
    import json

    print(json.dumps(value, indent=2))
